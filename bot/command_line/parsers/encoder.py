"""`encoder`."""

from __future__ import annotations

import argparse
import ipaddress

from bot.command_line.parsers.parser import Commands

LOOPBACK = "127.0.0.1"


def add_encoder(commands: Commands) -> None:
    encoder = commands.add(
        "encoder",
        "encoder:serve",
        "Lend this machine's processor or GPU to a bot: starts a Ray of one machine with the configured model in it,"
        " and prints the lines for the bot's configuration. Ends with Ctrl-C.",
        examples=["encoder", "encoder --gpus 1", "encoder --host 192.168.1.20 --port 10001"],
        notes="Needs the extra: pip install 'afterimage[fleet]'. Whoever reaches a port of Ray and has the token can"
        " run programs on this machine; so it listens on loopback alone unless --host says otherwise.",
    )
    encoder.add_argument(
        "--host", type=_address, default=LOOPBACK, metavar="ADDRESS", help="where it listens (default: 127.0.0.1)"
    )
    encoder.add_argument(
        "--port", type=_port, default=10001, metavar="N", help="the port for bots of other machines (default: 10001)"
    )
    encoder.add_argument(
        "--cluster-port", type=_port, default=6379, metavar="N", help="the port for bots here (default: 6379)"
    )
    encoder.add_argument(
        "--gpus", type=_count, metavar="N", help="GPUs, with an encoder each (default: 1 where there is a driver)"
    )


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address of this machine") from None
    if address.is_unspecified:
        raise argparse.ArgumentTypeError("name one address of this machine: Ray tells it to others")
    return str(address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:4]) <= 64):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of GPUs")
    return int(text[:4])
