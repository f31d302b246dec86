"""`afterimage encoder`: a Ray of this machine alone with an encoder in it, for a bot here or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import secrets
import signal
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config.loader import load
from bot.config.tables import Config
from bot.config.values import written
from bot.observability import terminal
from bot.observability.log import logging_to
from indexer.errors import ConfigError, Stop
from indexer.settings import ModelSettings, RaySettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.encode.on_ray.one_node import Node

logger = logging.getLogger(__name__)

TOKEN_FILE = Path("~/.ray/auth_token")  # where Ray's own commands look
GPU_DRIVER = Path("/dev/nvidiactl")
CORES = 2.0  # for an encoder with a GPU: it waits for the GPU

# Which model, and how: a bot that says the same shares the encoder.
_MODEL_KEYS = (
    "name",
    "pretrained",
    "config_file",
    "resize_mode",
    "folder",
    "device",
    "precision",
    "streams",
    "threads",
)


def serve(arguments: argparse.Namespace) -> int:
    """Runs until Ctrl-C or SIGTERM. Raises Stop where Ray or the model cannot be had."""
    if find_spec("ray") is None:
        raise ConfigError("`afterimage encoder` needs Ray, which is not installed: pip install 'afterimage[fleet]'.")
    from indexer.encode.on_ray.one_node import Node

    config = load(arguments.config, os.environ)
    gpus = arguments.gpus if arguments.gpus is not None else int(GPU_DRIVER.exists())
    cores = os.cpu_count() or 1
    node = Node(str(arguments.host), arguments.cluster_port, arguments.port, cores, gpus)
    token_file = written_token(config.settings.ray.token_file or TOKEN_FILE.expanduser())
    cluster = replace(
        config.settings.ray,
        address=node.address,
        token_file=token_file,
        min_replicas=max(gpus, 1),
        max_replicas=max(gpus, 1),
        gpus=1.0 if gpus else 0.0,
        cores=min(CORES, float(cores)) if gpus else float(cores),
    )
    with logging_to(config.log, []):
        return asyncio.run(_serve(config, node, cluster))


def written_token(path: Path) -> Path:
    """The file with the token, made with a new one where there is none. Raises ConfigError where it cannot be had."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        if not path.read_text("ascii").strip():
            raise ConfigError(f"{path} (ray.token_file) is empty. Delete it, and a new token is made.")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} (ray.token_file) cannot be read or made: {error}.") from error
    return path.absolute()


async def _serve(config: Config, node: Node, cluster: RaySettings) -> int:
    from indexer.encode.encoder import open_remote_encoder
    from indexer.encode.on_ray.one_node import open_node
    from indexer.supervisor import Faults

    settings = config.settings
    model = settings.with_exports(replace(settings.model, runtime="auto"))
    if cluster.exports == RaySettings().exports:  # one machine: what is exported lies where its other exports do
        assert model.export_dir is not None
        cluster = replace(cluster, exports=str(await asyncio.to_thread(model.export_dir.absolute)))
    with told_to_end() as ending:
        logger.info("starting Ray on %s", node.host)
        async with (
            open_node(node, cluster.token_file) as ended,
            open_remote_encoder(model, cluster, Faults()) as encoder,
        ):
            terminal.say(told(settings.model, cluster, node))
            logger.info("ready: %s", encoder.choice)
            stopping = asyncio.create_task(ending.wait(), name="signal")
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if ended.done():
                raise Stop(f"The encoder has ended: {ended.result()}.")
            logger.info("ending Ray and its encoder")
    return 0


@contextmanager
def told_to_end() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def handle(*_: object) -> None:
        loop.call_soon_threadsafe(ending.set)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def told(model: ModelSettings, cluster: RaySettings, node: Node) -> str:
    """The lines for the bot's configuration, and how the token gets there."""
    lines = ["The encoder is ready. In the configuration of a bot on this machine:", ""]
    lines += _configuration(model, cluster, node.address)
    if ipaddress.ip_address(node.host).is_loopback:
        client = f"127.0.0.1:{node.client_port}"
        lines += [
            "",
            "On another machine the same, but for the address, and with a copy of the token's file. Nothing but this",
            "machine can reach Ray, so the way there is a tunnel:",
            "",
            f"    ssh -N -L {node.client_port}:{client} THIS-MACHINE",
            f'    address = "ray://{client}"',
        ]
    else:
        lines += [
            "",
            "On another machine the same, but for the address, and with a copy of the token's file:",
            "",
            f"    address = {written(node.client_address)}",
            "",
            f"WHOEVER REACHES {node.host} AND HAS THE TOKEN CAN RUN PROGRAMS HERE: Ray listens on more ports than one,",
            "and without TLS the token can be read on the way. See docs/fleet.md.",
        ]
    return "\n".join([*lines, "", "Ctrl-C ends it."])


def _configuration(model: ModelSettings, cluster: RaySettings, address: str) -> Sequence[str]:
    default = ModelSettings()
    chosen = [(key, getattr(model, key)) for key in _MODEL_KEYS if getattr(model, key) != getattr(default, key)]
    lines = ["    [model]", '    runtime = "ray"']
    lines += [f"    {key} = {written(value)}" for key, value in chosen]
    lines += ["    [ray]", f"    address = {written(address)}", f"    token_file = {written(cluster.token_file)}"]
    fields = ("min_replicas", "max_replicas", "cores", "gpus")  # all of them: they may stand there with other values
    return [*lines, *(f"    {key} = {written(getattr(cluster, key))}" for key in fields)]
