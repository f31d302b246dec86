"""A server on this machine that speaks S3 (moto), as a process: its libraries are no part of the tests' own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from tests.worlds.waiting import DEADLINE_S


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address, with a bucket `afterimage`. Meanwhile this process's environment leads every S3 library there."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    keys = {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "NO_PROXY": "127.0.0.1",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with mock.patch.dict(os.environ, keys):
            _wait_for(port)
            import s3fs  # an extra

            s3fs.S3FileSystem(skip_instance_cache=True).mkdir("afterimage")
            yield address
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.05)
