"""Fixtures and settings of every test: a guard against blocked event loops, and property tests without time limits."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from indexer import supervisor
from indexer.backoff import Backoff
from indexer.database.database import Database, open_database
from tests.child_guard import children
from tests.costs import Costs
from tests.loop_guard import LoopGuard
from tests.soak import example_count
from tests.worlds.library import Library
from tests.worlds.migrated import migrated
from tests.worlds.readers_here import readers_here, readers_in_processes

# Hypothesis's own time limits measure the machine. On a fresh machine, Hypothesis builds its tables of Unicode before
# it draws the first text (2 s beside other work), and then reports a slow test. pytest's timeout is the limit instead.
settings.register_profile(
    "any machine",
    deadline=None,
    max_examples=example_count(soak=100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

# Threads of torch wait for each other with a sleep, not in a loop: processes of tests share the processors. Beside
# other work one test of tests/sandbox/test_matching.py took 2.5 s of them, and so takes 1.3 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

LONGEST_NAME = 100  # characters or bytes of a parameter in a test's name


# The files that `make quick` leaves out. Their tests together take long, because they start processes, servers or
# models. A new file belongs here if it takes more than some seconds. Enough tests of each room remain to notice most
# mistakes in it.
NOT_QUICK = frozenset(
    f"{room}/{file}.py"
    for room, files in {
        "app": "test_app",
        "archives": "test_import",
        "command_line": "test_cli test_control test_health test_import_command test_model test_real_model test_running"
        " test_search_beside_bot test_answers_beside_bot test_status_beside_bot test_searching test_preview_and_open"
        " test_eval test_setup test_upkeep test_encoder_command",
        "commands": "test_failures test_model_change test_on_demand test_one_decode_a_member test_privacy test_reindex"
        " test_changed_since test_similar_to_new_posts test_thumbnails",
        "commands/asking": "test_similar test_waking",
        "crawl": "test_guild_crawl test_live test_removals test_sweep",
        "database": "test_killed test_lock test_migrate",
        "encode": "test_catalogue test_cluster test_cluster_encoder test_cluster_files"
        " test_encoder test_export test_gpu_scan test_hub_download test_int8 test_known_model"
        " test_model_folders test_precision test_process test_same_pixels test_siglip test_tokens test_weights",
        "gateway": "test_absence test_disk_notices test_own_messages",
        "history": "test_discord_history test_search_walk test_storm",
        "ingest": "test_pipeline",
        "observability": "test_hardening test_log test_terminal",
        "permissions": "test_posting",
        "pictures": "test_decode test_decode_end test_decode_pool test_decode_soak test_fetch test_lockdown",
        "sandbox": "test_demo test_demo_run test_model test_page_in_a_browser",
        "vectors": "test_index_kill",
        "web/api": "test_access test_openapi test_resources test_search",
        "web/console": "test_page_in_a_browser",
    }.items()
    for file in files.split()
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out tests that start processes, servers or models")
    parser.addoption("--costs", action="store_true", help="show what took most of the processors, processes included")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--costs"):
        config.pluginmanager.register(Costs())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """None leaves the decision to pytest."""
    return True if config.getoption("--quick") and is_slow(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported for the tests stays: to look for garbage meanwhile took an eighth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value does not stand in its test's name, which processes send each other with each report: there were
    18 MB of names. None leaves the name to pytest.
    """
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > LONGEST_NAME else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every property test has a longer form: `make soak` draws more examples of it."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("soak")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Before the first test."""
    _look_at_groups(session)
    # What is loaded now stays. Full collections that go through it again took 7 % of the processor time of a room.
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """pytest has just collected the garbage whose warnings it reports. It does that once more, and Python at its end:
    to go through torch and the rest again takes 1 to 3 s of each process.
    """
    gc.freeze()


def _look_at_groups(session: pytest.Session) -> None:
    """In a process of `--dist loadgroup`: groups that are not told are tests that all make the same expensive thing."""
    grouped = (item for item in session.items if item.get_closest_marker("xdist_group"))
    if session.config.getoption("loadgroup", default=False) and any("@" not in item.nodeid for item in grouped):
        raise pytest.UsageError("this pytest-xdist does not tell the groups of tests to this pytest: take pytest < 9.2")


def is_slow(path: Path) -> bool:
    """Whether `make quick` leaves the file out."""
    here = path.relative_to(Path(__file__).parent)
    return here.as_posix() in NOT_QUICK


@pytest.fixture(autouse=True)
def loop_guard() -> Iterator[LoopGuard]:
    """Fails the test if one callback blocked an event loop for longer than `loop_guard.BOUND_S`."""
    with LoopGuard().watching() as guard:
        yield guard
    if guard.blocks:
        pytest.fail("the event loop was blocked:\n" + "\n".join(guard.blocks), pytrace=False)


@pytest.fixture(scope="module", autouse=True)
def child_guard() -> Iterator[None]:
    """Fails the last test of a file if the file left a child process behind."""
    before = children()
    yield
    left = {pid: what for pid, what in children().items() if pid not in before}
    assert not left, f"a test of this file left child processes behind: {left}"


@pytest.fixture(autouse=True)
def priority() -> Iterator[None]:
    """Fails the test if it lowered the priority of its process: every later test there would starve beside others."""
    before = _niceness()
    yield
    after = _niceness()
    assert after == before, f"a command of this test lowered the priority of its process by {after - before}"


def _niceness() -> int:
    """Of this process; 0 where the system has none."""
    if sys.platform != "win32":
        return os.nice(0)
    else:  # noqa: RET505 -- mypy takes what follows an `if` of another platform for unreachable
        return 0


@pytest.fixture(autouse=True)
def restarts_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Background work that failed starts again at once: no test depends on the length of the pause."""
    monkeypatch.setattr(supervisor, "RESTARTS", Backoff(tries=0, first_s=0.01, longest_s=0.1))


@pytest.fixture(scope="session", autouse=True)
def readers() -> Iterator[None]:
    """Pictures are opened in a thread of this process, see tests/worlds/readers_here.py."""
    with readers_here():
        yield


@pytest.fixture
def reader_processes() -> Iterator[None]:
    """Pictures are opened in processes of their own, as by a real bot."""
    with readers_in_processes():
        yield


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def database(data_dir: Path) -> AsyncIterator[Database]:
    """An open database for this test alone."""
    async with open_database(migrated(data_dir)) as opened:
        yield opened


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    """A library of pictures to search, on real SQLite and a real index."""
    async with open_database(migrated(tmp_path)) as db:
        made = Library(db, tmp_path / "segments")
        await made.open()
        try:
            yield made
        finally:
            made.index.close()
