"""How the process that reaches the cluster joins it. Ray is imported when its environment is right."""

from __future__ import annotations

import os

from indexer.encode.on_ray.environment import prepare
from indexer.errors import ModelUnavailable
from indexer.settings import RaySettings

NAMESPACE = "afterimage"  # of the names of encoders, which every bot of the cluster shares


def connect(cluster: RaySettings, namespace: str = NAMESPACE) -> None:
    """Joins the cluster; until the process ends, since Ray ends it where the cluster is gone for good.

    Raises ModelUnavailable: where it should be, what Ray said, what to do.
    """
    if cluster.token_file is not None and not cluster.token_file.is_file():
        raise ModelUnavailable(
            f"ray.token_file: {cluster.token_file} is not there. It is the file that `afterimage encoder` names on the"
            " machine that it runs on; copy it here."
        )
    prepare(os.environ, cluster.address, cluster.token_file)
    import ray

    try:
        ray.init(address=cluster.address, namespace=namespace, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and errors of its own
        raise ModelUnavailable(
            f"The Ray cluster at {cluster.address} (ray.address) cannot be joined: {reason_of(error)}. Is it running,"
            " with the same versions of Python and Ray, and is ray.token_file its token?"
        ) from error


def reason_of(error: Exception) -> str:
    """The line that says what went wrong: the first one, or, where that only announces it, the last."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].endswith(":") else lines[0]
