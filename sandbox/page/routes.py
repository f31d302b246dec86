"""The requests that the page sends to the sandbox. Each names a member, and can do only what that member may do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import BodyPartReader, web

from sandbox.checks import commands
from sandbox.drawing.concepts import CONCEPTS
from sandbox.members import Person
from sandbox.options import NotAllowed, permitted
from sandbox.reply import NoAnswer, Reply
from sandbox.wire import Json
from sandbox.wire.messages import message as shown
from sandbox.world import Channel, ChannelKind, File, Member, Message, Thread

if TYPE_CHECKING:
    from sandbox.server import Sandbox

_FILES: Final = Path(__file__).parent
_KINDS: Final = {"page.css": "text/css", "page.js": "text/javascript", "markdown.js": "text/javascript"}
_KEPT: Final = 200  # replies that the page may still press buttons on
_POLL_S: Final = 20.0  # seconds that a request for news waits
_PAGE: Final = 40  # messages in one answer

# Pictures come from the sandbox's CDN. It is the same server, but its links contain 127.0.0.1 even if the page is at
# "localhost".
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: http://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[Any]]


class Page:
    """Serves the page and acts for its members."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self.sandbox = sandbox
        self._replies: dict[str, Reply] = {}

    def add_to(self, app: web.Application) -> None:
        """Add the page's routes."""
        app.router.add_get("/", self._guarded(self._file))
        app.router.add_get("/page/{name}", self._guarded(self._file))
        for method, path, handler in (
            ("GET", "state", self._state),
            ("GET", "messages", self._messages),
            ("GET", "news", self._news),
            ("POST", "slash", self._slash),
            ("POST", "menu", self._menu),
            ("POST", "press", self._press),
            ("POST", "post", self._post),
        ):
            app.router.add_route(method, f"/page/api/{path}", self._guarded(_answering(handler)))

    def _guarded(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        """Accepts only requests of pages that this sandbox served: another site's page must not act as a member here.

        The Host header reveals a name that an attacker's DNS points at this machine. The Origin header reveals a form
        on another site. Both are refused.
        """

        async def guarded(request: web.Request) -> web.StreamResponse:
            refused = self._foreign(request)
            response = web.json_response({"error": refused}, status=403) if refused else await handler(request)
            response.headers.update(_HEADERS)
            return response

        return guarded

    def _foreign(self, request: web.Request) -> str | None:
        """The reason why the request does not come from this sandbox's own page; None where it does."""
        host = self.sandbox.cdn_host
        hosts = (host, f"localhost:{host.rpartition(':')[2]}")
        if request.host not in hosts:
            return f"This page is at http://{host}/ and answers to no other name."
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        if request.method != "GET" and (origin not in (None, f"http://{request.host}") or site != "same-origin"):
            return "Another site's page may not act here."
        return None

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "page.html")
        if name != "page.html" and name not in _KINDS:
            raise web.HTTPNotFound
        text = await asyncio.to_thread((_FILES / name).read_text, "utf-8")
        return web.Response(text=text, content_type=_KINDS.get(name, "text/html"))

    # Reading

    async def _state(self, request: web.Request) -> Json:
        """The guild as the member sees it: people, channels, commands."""
        guild = next(iter(self.sandbox.world.guilds.values()))
        asked = request.query.get("member")
        member = guild.members[int(asked)] if asked else guild.members[guild.owner.id]
        people = [m for m in guild.members.values() if not m.user.bot]
        rooms = [c for c in guild.channels.values() if c.kind is not ChannelKind.CATEGORY and c.seen_by(member)]
        return {
            "guild": {"id": str(guild.id), "name": guild.name},
            "member": str(member.id),
            "online": self.sandbox.gateway.connected(guild),
            "people": [_person(found, guild.owner.id) for found in people],
            "names": {str(user.id): user.display_name for user in self.sandbox.world.users.values()},
            "channels": [_room(channel, member) for channel in rooms],
            "words": [concept.id for concept in CONCEPTS if concept.glyph],
            "commands": [command for command in self._commands(member) if _offered(command, member)],
        }

    def _commands(self, member: Member) -> list[Json]:
        registered = self.sandbox.api.commands
        return [*registered.get(member.guild.id, []), *registered[None]]

    async def _messages(self, request: web.Request) -> list[Json]:
        """A page of a channel, newest first, around or before a message."""
        person = self._person(request.query["member"])
        channel = _channel(person, request.query["channel"])
        if not channel.read_by(person.member) or channel.kind in (ChannelKind.FORUM, ChannelKind.MEDIA):
            return []
        keys = {key: int(request.query[key]) for key in ("before", "around") if key in request.query}
        return [shown(message, self.sandbox.links) for message in channel.page(_PAGE, **keys)]

    async def _news(self, request: web.Request) -> Json:
        """Waits until the channel or a reply differs from what the page has, for some seconds at most."""
        person = self._person(request.query["member"])
        channel = _channel(person, request.query["channel"])
        known = request.query.get("version")
        deadline = _now() + _POLL_S
        while self._version(channel) == known and _now() < deadline:  # noqa: ASYNC110 -- two of four things tell nobody
            await asyncio.sleep(0.25)
        own = {key: reply for key, reply in self._replies.items() if reply.interaction.member is person.member}
        replies = {key: self._told(key, reply) for key, reply in own.items()}
        return {"version": self._version(channel), "replies": replies}

    def _version(self, channel: Channel) -> str:
        changed = sum(reply.interaction.changed.fired for reply in self._replies.values())
        registered = sum(len(found) for found in self.sandbox.api.commands.values())
        online = self.sandbox.gateway.connected(channel.guild)
        return f"{channel.version}-{changed}-{registered}-{online}"

    # Acting

    async def _slash(self, request: web.Request) -> Json:
        """A slash command. The form's field `ask` is JSON; its files are attachment options by name."""
        ask, files = await _form(request)
        person = self._person(ask["member"])
        return self._keep(await person.slash(int(ask["channel"]), ask["name"], ask["options"] | files))

    async def _menu(self, request: web.Request) -> Json:
        ask, _ = await _form(request)
        person = self._person(ask["member"])
        return self._keep(await person.message_command(int(ask["channel"]), ask["name"], int(ask["message"])))

    async def _press(self, request: web.Request) -> Json:
        """A press on a button, or with `values` a choice in a menu.
        It belongs to a reply (by its key) or a message of the channel.
        """
        ask, _ = await _form(request)
        person = self._person(ask["member"])
        on = self._answer(ask["message"]) or self._posted(person, ask)
        if "values" in ask:
            reply = await person.select(on, ask["custom_id"], ask["values"])
        else:
            reply = await person.press(on, ask["custom_id"])
        return self._keep(reply)

    async def _post(self, request: web.Request) -> Json:
        ask, files = await _form(request)
        person = self._person(ask["member"])
        message = person.post(int(ask["channel"]), ask["content"], list(files.values()))
        return shown(message, self.sandbox.links)

    def _answer(self, key: str) -> Reply | None:
        """A reply by its message's id, or one of its follow-ups."""
        if key in self._replies:
            return self._replies[key]
        followed = (after for reply in self._replies.values() for after in reply.followups)
        return next((reply for reply in followed if str(reply.message.id) == key), None)

    def _posted(self, person: Person, ask: Json) -> Message:
        message = _channel(person, ask["channel"]).message(int(ask["message"]))
        if message is None:
            raise NotAllowed("the message is gone")
        return message

    def _keep(self, reply: Reply) -> Json:
        if reply.modal is not None:
            raise NotAllowed("the bot opened a modal, which this page cannot show")
        key = str(reply.message.id)
        self._replies.pop(key, None)
        self._replies[key] = reply
        while len(self._replies) > _KEPT:
            del self._replies[next(iter(self._replies))]
        return self._told(key, reply)

    def _told(self, key: str, reply: Reply) -> Json:
        """A reply and its follow-ups as JSON."""
        reply_data = {"key": key, "gone": reply.gone, "ephemeral": reply.ephemeral, "message": reply.payload}
        reply_data["ms"] = None if reply.interaction.answered_at is None else round(reply.reply_ms)
        reply_data["followups"] = [shown(m, self.sandbox.links) for m in reply.interaction.followups]
        return reply_data

    def _person(self, member_id: str) -> Person:
        return self.sandbox.member(int(member_id))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that returns JSON. Its refusals are sentences."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(request))
        except (NotAllowed, NoAnswer) as error:
            return web.json_response({"error": str(error)}, status=409)
        except (KeyError, ValueError, LookupError) as error:
            return web.json_response({"error": f"the page asked for something that is not there: {error}"}, status=400)

    return answer


async def _form(request: web.Request) -> tuple[Json, dict[str, File]]:
    """The request's JSON (field `ask`) and its files by field name."""
    ask: Json = {}
    files: dict[str, File] = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "ask":
            ask = json.loads(await part.read())
        elif isinstance(part, BodyPartReader) and part.name:
            files[part.name] = File.of(part.filename or "upload.png", bytes(await part.read()))
    return ask, files


def _channel(person: Person, channel_id: str) -> Channel:
    channel = person.member.guild.find(int(channel_id))
    if channel is None or not channel.seen_by(person.member):
        raise NotAllowed("this member does not see that channel")
    return channel


def _offered(command: Json, member: Member) -> bool:
    """Whether any channel offers the command to the member."""
    if command["type"] not in (commands.CHAT_INPUT, commands.MESSAGE_MENU):
        return False
    for channel in member.guild.channels.values():
        try:
            permitted(command, member, channel)
        except NotAllowed:
            continue
        return True
    return False


def _person(member: Member, owner: int) -> Json:
    role = "owner" if member.id == owner else ", ".join(role.name for role in member.roles)
    return {"id": str(member.id), "name": member.display_name, "role": role}


def _room(channel: Channel, member: Member) -> Json:
    everyone = channel.guild.everyone
    closed = any(o.id == everyone.id and o.deny for o in channel.overwrites.values())
    threads = [thread for thread in channel.threads() if thread.seen_by(member)]
    return {
        "id": str(channel.id),
        "name": channel.name,
        "kind": channel.kind.name.lower(),
        "topic": channel.topic,
        "private": closed,
        "adult": channel.adult,
        "archived": isinstance(channel, Thread) and channel.archived,
        "threads": [_room(thread, member) for thread in sorted(threads, key=lambda thread: thread.id)],
    }
