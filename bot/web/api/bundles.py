"""Bundles over HTTP: one is made in the background, told live, and fetched once."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.web.api.job_events import streamed
from bot.web.api.models.bundles import BundleInfo, BundleList, NewBundle
from bot.web.api.models.operator import Done
from bot.web.api.operation import BAD_QUESTION, CONFLICT, Call, NoQuery, Operation
from bot.web.api.servers import words
from bot.web.api.uploads import FILE
from bot.web.errors import ApiError
from indexer.errors import TellPerson
from indexer.records.api_keys import KeyScope
from indexer.records.ids import ChannelId, GuildId
from indexer.sentence import Sentence

if TYPE_CHECKING:
    from bot.web.api.parts import Parts
    from indexer.bundle_exports import GuildBundle

CHUNK = 256 * 1024  # bytes of a file in memory
FETCHED_S = 3600.0  # the longest time in which one is fetched


async def start(call: Call[NoQuery, NewBundle]) -> BundleInfo:
    channels = None
    if call.body.channels is not None:
        channels = tuple(sorted({ChannelId(int(channel)) for channel in call.body.channels}))
        known = {channel.id for channel in await call.parts.service.reports.channels(call.guild.id)}
        if missing := [channel for channel in channels if channel not in known]:
            raise TellPerson("cli-channel", channel=str(missing[0]))
    try:
        return described(await call.parts.bundles.start(call.guild, channels))
    except TellPerson as error:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", words(error.sentence)) from error


async def listed(call: Call[NoQuery, None]) -> BundleList:
    return bundle_list(call.parts, call.guild.id)


def bundle_list(parts: Parts, guild_id: GuildId) -> BundleList:
    return BundleList([described(bundle) for bundle in parts.bundles.recent(guild_id)])


async def events(call: Call[NoQuery, None]) -> web.StreamResponse:
    return await streamed(call, "bundles", lambda: listed(call), call.parts.bundles.state)


async def fetch(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Ends early where what is in it must not be told any more: then fewer bytes come than were announced."""
    bundle = _bundle(call)
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{bundle.file_name}"'})
    response.content_type, response.content_length = FILE, bundle.byte_count
    try:
        async with call.parts.bundles.fetching(bundle) as file:
            await response.prepare(call.request)
            while data := await asyncio.to_thread(file.read, CHUNK):
                if bundle.is_outdated:
                    raise ConnectionResetError("the bundle is outdated")
                await response.write(data)
            await response.write_eof()
    except TellPerson as error:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", words(error.sentence)) from error
    except ConnectionResetError:
        if call.request.transport is not None:
            call.request.transport.abort()
    return response


async def delete(call: Call[NoQuery, None]) -> Done:
    await call.parts.bundles.end(_bundle(call), Sentence("bundle-cancelled"))
    return Done()


def _bundle(call: Call[Any, Any]) -> GuildBundle:
    try:
        return call.parts.bundles.get(call.guild.id, call.ids["bundle"])
    except TellPerson as error:
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.") from error


def described(bundle: GuildBundle) -> BundleInfo:
    return BundleInfo(
        id=bundle.id,
        channels=None if bundle.channels is None else [str(channel) for channel in bundle.channels],
        began_ms=bundle.began_ms,
        state=bundle.state.value,
        step=bundle.step,
        done=bundle.done,
        total=bundle.total,
        name=bundle.file_name,
        bytes=bundle.byte_count,
        expires_ms=bundle.expires_ms,
        reason="" if bundle.reason is None else words(bundle.reason),
    )


# A bundle holds promises to members of any server: who opted out everywhere, which messages were deleted.
_ADMIN: dict[str, Any] = {"scope": KeyScope.ADMIN, "everything": True}

OPERATIONS = (
    Operation(
        "bundles",
        "GET",
        "/guilds/{guild}/bundles",
        "The newest bundles of a server.",
        listed,
        BundleList,
        **_ADMIN,
    ),
    Operation(
        "makeBundle",
        "POST",
        "/guilds/{guild}/bundles",
        "Begins to make a bundle of a server, or of some of its channels.",
        start,
        BundleInfo,
        body=NewBundle,
        status=HTTPStatus.CREATED,
        cost=20.0,
        refusals=(CONFLICT, BAD_QUESTION),
        **_ADMIN,
    ),
    Operation(
        "bundleEvents",
        "GET",
        "/guilds/{guild}/bundles/events",
        "The newest bundles of a server again whenever they change, as server-sent events named `bundles`.",
        events,
        "text/event-stream",
        cost=5.0,
        longest_s=None,
        **_ADMIN,
    ),
    Operation(
        "fetchBundle",
        "GET",
        "/guilds/{guild}/bundles/{bundle}/file",
        "The file of a bundle that is ready; once it was fetched it is deleted here.",
        fetch,
        FILE,
        cost=20.0,
        longest_s=FETCHED_S,
        refusals=(CONFLICT,),
        **_ADMIN,
    ),
    Operation(
        "deleteBundle",
        "DELETE",
        "/guilds/{guild}/bundles/{bundle}",
        "Stops making a bundle, or deletes its file.",
        delete,
        Done,
        **_ADMIN,
    ),
)
