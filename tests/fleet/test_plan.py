"""What is handed to a process of a fleet, and what `fleet up` has to change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.fleet.plan import ProcessPlan, actor_name, changes, namespace, plan_of, process_name

PLAN = ProcessPlan("a", "0-7/16", "/var/lib/a", "/etc/afterimage/config.toml", "0123", settings=(("X", "y"),))


def test_a_plan_comes_back_as_it_was_written() -> None:
    assert plan_of(PLAN.as_json()) == PLAN


def test_what_is_there_stays_what_differs_is_made_anew_and_what_is_gone_from_the_file_ends() -> None:
    other, new = replace(PLAN, name="b"), replace(PLAN, name="c")
    there = [actor_name(PLAN), actor_name(replace(other, digest="before")), actor_name(replace(PLAN, name="d"))]
    found = changes(there, [PLAN, other, new])
    assert [process_name(name) for name in found.kept] == ["a"]
    assert [process_name(name) for name in found.end] == ["b", "d"]
    assert [plan.name for plan in found.make] == ["b", "c"]
    assert not changes(map(actor_name, [PLAN, other]), [PLAN, other]).make


def test_two_bots_in_one_cluster_have_names_of_their_own() -> None:
    assert namespace(Path("/etc/a.toml")) != namespace(Path("/etc/b.toml"))


def test_the_bot_gets_its_own_settings_and_nothing_that_ray_set_for_its_worker() -> None:
    worker = {
        "PATH": "/bin",
        "AWS_PROFILE": "bot",
        "AFTERIMAGE_DATA_DIR": "/elsewhere",
        "AFTERIMAGE_DISCORD_TOKEN": "of this node",
        "RAY_JOB_ID": "1",
        "RAY_AUTH_MODE": "token",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert PLAN.environment(worker) == {
        "PATH": "/bin",
        "AWS_PROFILE": "bot",
        "AFTERIMAGE_DATA_DIR": "/var/lib/a",
        "AFTERIMAGE_DISCORD_TOKEN": "of this node",
        "AFTERIMAGE_DISCORD_SHARDS": "0-7/16",
        "AFTERIMAGE_WEB_LISTEN": "127.0.0.1:0",
        "RAY_AUTH_MODE": "token",
        "X": "y",
    }
