"""deploy/kuberay: whether its parts fit together and with the program, as far as is seen without Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from bot.cli import command_parser
from bot.config.fleet_file import parse_fleet
from bot.config.loader import all_keys, load

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, dict[str, Any]] = {
    part["kind"]: part for part in yaml.safe_load_all((ROOT / "deploy/kuberay/fleet.yaml").read_text())
}
CLUSTER = PARTS["RayCluster"]
HEAD, WORKERS = CLUSTER["spec"]["headGroupSpec"], CLUSTER["spec"]["workerGroupSpecs"][0]
JOB = PARTS["Job"]["spec"]["template"]


def pods() -> list[dict[str, Any]]:
    return [HEAD["template"], WORKERS["template"], JOB]


def test_the_versions_of_the_interfaces_are_those_that_exist() -> None:
    assert {kind: part["apiVersion"] for kind, part in PARTS.items()} == {
        "ConfigMap": "v1",
        "RayCluster": "ray.io/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "Job": "batch/v1",
    }
    assert f"ray=={CLUSTER['spec']['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_the_configuration_is_one_that_the_program_takes(tmp_path: Path) -> None:
    data = PARTS["ConfigMap"]["data"]
    token = "/run/secrets/afterimage/discord_token"
    assert token in data["config.toml"]
    (tmp_path / "token").write_text("MTIzNDU2Nzg5MDEyMzQ1Njc4.abcdef." + "x" * 38)
    (tmp_path / "config.toml").write_text(data["config.toml"].replace(token, str(tmp_path / "token")))
    load(tmp_path / "config.toml", {})
    fleet = parse_fleet(data["fleet.toml"], Path("/etc/afterimage/fleet.toml"))
    assert fleet.config == Path("/etc/afterimage/config.toml")
    assert fleet.storage
    # One pod more than processes, so that there is room when one is gone.
    cores = int(WORKERS["rayStartParams"]["num-cpus"])
    assert WORKERS["replicas"] * cores > len(fleet.processes)
    mounts = [mount["mountPath"] for mount in WORKERS["template"]["spec"]["containers"][0]["volumeMounts"]]
    assert all(any(process.folder.is_relative_to(mount) for mount in mounts) for process in fleet.processes)


def test_every_pod_is_bounded_and_holds_no_rights() -> None:
    for pod in pods():
        for container in pod["spec"]["containers"]:
            locked = container["securityContext"]
            assert locked["capabilities"]["drop"] == ["ALL"]
            assert not locked["allowPrivilegeEscalation"]
            assert locked["runAsNonRoot"]
            assert container["resources"]["limits"]["memory"]
            volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes


def test_the_command_its_variables_and_its_way_to_the_cluster_exist() -> None:
    up = JOB["spec"]["containers"][0]
    command_parser().parse_args(up["args"])
    variables = {variable["name"]: variable for variable in up["env"]}
    known = {key.variable for key in all_keys().values()}
    assert {name for name in variables if name.startswith("AFTERIMAGE_")} <= known
    name = CLUSTER["metadata"]["name"]
    assert variables["AFTERIMAGE_RAY_ADDRESS"]["value"] == f"ray://{name}-head-svc:10001"
    assert CLUSTER["spec"]["authOptions"]["mode"] == variables["RAY_AUTH_MODE"]["value"] == "token"
    assert variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": name, "key": "auth_token"}


def test_the_token_lies_in_a_secret_and_only_the_fleets_own_pods_reach_each_other() -> None:
    for pod in pods()[1:]:
        secrets = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        assert secrets == [{"secretName": "afterimage-token", "defaultMode": 0o440}]
    policy = PARTS["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["podSelector"]["matchLabels"] == {"ray.io/cluster": CLUSTER["metadata"]["name"]}
    allowed = [source["podSelector"]["matchLabels"] for source in policy["ingress"][0]["from"]]
    assert allowed == [policy["podSelector"]["matchLabels"], JOB["metadata"]["labels"]]
