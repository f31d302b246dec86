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
            f"The Ray cluster at {cluster.address} (ray.address) cannot be joined: {_first_line(error)}. Is it running,"
            " with the same versions of Python and Ray, and is ray.token_file its token?"
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), type(error).__name__)
