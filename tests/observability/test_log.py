"""The log: readable, parseable, and never with a token in it, whoever logs it and wherever it stands."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from pathlib import Path

import pytest

from bot.config.tables import LogSettings
from bot.config.values import Secret
from bot.observability.log import logging_to
from indexer.correlation import Cause, caused_by
from tests.worlds.running_bot import indexed, noise, town

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA.GabcdE.abcdefghijklmnopqrstuvwxyz-123456"
ODD_TOKEN = "sandbox-token"


@pytest.mark.filterwarnings("always::RuntimeWarning")  # so that it is logged, as in a running bot
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("token", [TOKEN, ODD_TOKEN])
@pytest.mark.parametrize("logger", ["bot.gateway.client", "discord.http", "discord.gateway", "aiohttp.client"])
def test_no_logger_gets_a_token_out(form: str, token: str, logger: str) -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(level="debug", format=form), [Secret(token)], stream):
        log = logging.getLogger(logger)
        log.info("IDENTIFY with %s", {"token": token})
        try:
            raise ValueError(f"Authorization: Bot {token}")
        except ValueError:
            log.exception("request failed")
        warnings.warn(f"stray {token}", RuntimeWarning, stacklevel=1)
    assert "IDENTIFY" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert "stray" in stream.getvalue()
    assert token not in stream.getvalue()


def test_a_token_of_another_bot_is_hidden_by_its_shape() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(), [], stream):
        logging.getLogger("bot").info("found %s in a message", TOKEN)
    assert TOKEN not in stream.getvalue()


def test_a_line_break_in_a_message_forges_no_record() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(), [], stream):
        logging.getLogger("bot").info("file %s", "a.png\n2026-01-01 00:00:00,000 ERROR   bot: forged")
    _, second = stream.getvalue().splitlines()
    assert second.startswith("    ")


def test_json_lines_carry_time_level_logger_and_error() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(format="json"), [], stream):
        logging.getLogger("bot.x").warning("half\nway")
        try:
            raise KeyError("gone")
        except KeyError:
            logging.getLogger("bot.x").exception("lost")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("warning", "bot.x", "half\nway")
    assert first["time"].endswith("Z")
    assert "KeyError" in second["error"]


def test_chatty_libraries_stay_quiet_at_debug_level_and_levels_are_given_back() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    with logging_to(LogSettings(level="debug"), [], stream):
        logging.getLogger("aiosqlite").debug("executing")
        logging.getLogger("bot").debug("mine")
    assert "executing" not in stream.getvalue()
    assert "mine" in stream.getvalue()
    assert (root.level, root.handlers) == before


@pytest.mark.parametrize("form", ["text", "json"])
async def test_discord_pys_own_debug_log_holds_no_interactions_token_and_no_signed_link(
    tmp_path: Path, form: str
) -> None:
    stream = io.StringIO()
    place = town()
    with logging_to(LogSettings(level="debug", format=form), [], stream):
        async with indexed(place, tmp_path) as bot:
            member = bot.person(place.member)
            reply = await member.slash(place.talk.id, "similar", {"image": noise(3).data})
            await member.press(reply, "Share here")
            await member.slash(place.talk.id, "privacy")
            tokens = list(bot.sandbox.interactions._by_token)
    said = stream.getvalue()
    assert len(tokens) == 3
    assert "WebSocket Event" in said
    assert "INTERACTION_CREATE" in said
    assert "/interactions/" in said
    assert "/webhooks/" in said
    assert "hm=<hidden>" in said
    assert not [token for token in tokens if token in said]
    assert not re.search(r"[?&](?:ex|is|hm)=[0-9a-f]", said)


@pytest.mark.parametrize(
    "text",
    [
        "POST https://discord.com/api/v10/webhooks/1/{secret}/messages/@original with None has returned 200",
        "/interactions/1/{secret}/callback?with_response=true",
        "{{'token': '{secret}', 'type': 2}}",
        '{{"token": "{secret}"}}',
        '{{"url": "https://cdn.discordapp.com/a.png?ex={signed}\\u0026is={signed}\\u0026hm={signed}"}}',
    ],
)
def test_a_webhooks_token_and_a_signature_are_hidden_in_every_form(text: str) -> None:
    secret, signed = "s3cr3t-Webhook_Token.of-68", "0123456789abcdef"
    stream = io.StringIO()
    with logging_to(LogSettings(level="debug"), [], stream):
        logging.getLogger("discord.http").debug(text.format(secret=secret, signed=signed))
    assert secret not in stream.getvalue()
    assert signed not in stream.getvalue()
    assert "<hidden>" in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_names_the_request_that_caused_it_once(form: str) -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(format=form), [], stream), caused_by(Cause("8e1f0c5d2b7a4936", 3)):
        logging.getLogger("bot").info("something")
        logging.getLogger("bot").info("request 8e1f0c5d2b7a4936: GET /")
    logging.getLogger("bot").info("afterwards")
    first, second = stream.getvalue().splitlines()
    assert first.count("8e1f0c5d2b7a4936") == 1
    assert "8e1f0c5d2b7a4936" in second


def test_a_key_of_the_http_interface_is_hidden() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(), [], stream):
        logging.getLogger("aiohttp").info("got %s", f"afterimage_7_{'k' * 43}")
    assert "afterimage_7_<hidden>" in stream.getvalue()
