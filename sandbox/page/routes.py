"""The requests that the page sends to the sandbox. Each names a member, and can do only what that member may do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import BodyPartReader, web

from sandbox.drawing.concepts import CONCEPTS
from sandbox.members import Person
from sandbox.options import NotAllowed, permitted
from sandbox.page import direct
from sandbox.reply import NoAnswer, Reply
from sandbox.wire import Json
from sandbox.wire.messages import message as shown
from sandbox.world import Channel, ChannelKind, File, Guild, Member, Message, Thread

if TYPE_CHECKING:
    from sandbox.server import Sandbox

_FILES: Final = Path(__file__).parent
_SCRIPTS: Final = ("page.js", "message.js", "markdown.js", "menu.js", "dom.js")
_KINDS: Final = {"page.css": "text/css"} | dict.fromkeys(_SCRIPTS, "text/javascript")
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
            ("POST", "read", self._read),
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
        """The guild as the member sees it: people, channels, commands, and whether the bot has written to them."""
        guild = next(iter(self.sandbox.world.guilds.values()))
        asked = request.query.get("member")
        member = guild.members[int(asked)] if asked else guild.members[guild.owner.id]
        people = [m for m in guild.members.values() if not m.user.bot]
        rooms = [c for c in guild.channels.values() if c.kind is not ChannelKind.CATEGORY and c.seen_by(member)]
        return {
            "guild": {"id": str(guild.id), "name": guild.name},
            "member": str(member.id),
            "online": self.sandbox.gateway.connected(guild),
            "bot": self.sandbox.world.bot.display_name,
            "people": [_person(found, guild.owner.id) for found in people],
            "names": {str(user.id): user.display_name for user in self.sandbox.world.users.values()},
            "channels": [_room(channel, member) for channel in rooms],
            "words": [concept.id for concept in CONCEPTS if concept.glyph],
            "commands": [command for command in self._commands(member) if _offered(command, member)],
            "marks": self._common_marks(self.sandbox.member(member)),
        }

    def _commands(self, member: Member) -> list[Json]:
        registered = self.sandbox.api.commands
        return [*registered.get(member.guild.id, []), *registered[None]]

    async def _messages(self, request: web.Request) -> Json:
        """A page of a channel or of the direct messages, newest first; of a channel also around a message."""
        person = self._person(request.query["member"])
        keys = {key: int(request.query[key]) for key in ("before", "around") if key in request.query}
        version = self._version(person, request.query["channel"])
        if request.query["channel"] == direct.DIRECT:
            return {"version": version, "messages": direct.page(person, _PAGE, keys.get("before"))}
        channel = _channel(person, request.query["channel"])
        readable = channel.read_by(person.member) and channel.kind not in (ChannelKind.FORUM, ChannelKind.MEDIA)
        found = channel.page(_PAGE, **keys) if readable else []
        return {"version": version, "messages": [shown(message, self.sandbox.links) for message in found]}

    async def _news(self, request: web.Request) -> Json:
        """Waits until something differs from the marks that the page has, for some seconds at most."""
        person = self._person(request.query["member"])
        where = request.query["channel"]
        deadline = _now() + _POLL_S
        marks = self._marks(person, where)
        while all(request.query.get(key) == mark for key, mark in marks.items()) and _now() < deadline:
            await asyncio.sleep(0.25)
            marks = self._marks(person, where)
        own = {key: reply for key, reply in self._replies.items() if reply.interaction.member is person.member}
        return {"marks": marks, "replies": {key: self._told(key, reply) for key, reply in own.items()}}

    def _marks(self, person: Person, where: str) -> dict[str, str]:
        """What a page must learn of, each as a string that changes with it."""
        return {"version": self._version(person, where)} | self._common_marks(person)

    def _common_marks(self, person: Person) -> dict[str, str]:
        """Those that are the same in every channel."""
        return {
            "answers": str(sum(reply.interaction.changed.fired for reply in self._replies.values())),
            "registered": self._registered(person.member.guild),
            "unread": str(direct.unread(person)),
        }

    def _version(self, person: Person, where: str) -> str:
        return direct.version(person) if where == direct.DIRECT else str(_channel(person, where).version)

    def _registered(self, guild: Guild) -> str:
        commands_known = sum(len(found) for found in self.sandbox.api.commands.values())
        return f"{commands_known}-{self.sandbox.gateway.connected(guild)}"

    # Acting

    async def _slash(self, request: web.Request) -> Json:
        """A slash command. The form's field `ask` is JSON; its files are attachment options by name."""
        ask, files = await _form(request)
        person = self._person(ask["member"])
        return self._keep(await person.slash(int(ask["channel"]), ask["name"], ask["options"] | files))

    async def _menu(self, request: web.Request) -> Json:
        """A command of a message's menu (`message`), or of a person's (`user`)."""
        ask, _ = await _form(request)
        person, channel = self._person(ask["member"]), int(ask["channel"])
        if "user" in ask:
            return self._keep(await person.user_command(channel, ask["name"], int(ask["user"])))
        return self._keep(await person.message_command(channel, ask["name"], int(ask["message"])))

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

    async def _read(self, request: web.Request) -> Json:
        """The member has seen their direct messages up to this one."""
        ask, _ = await _form(request)
        direct.mark_read(self._person(ask["member"]), int(ask["message"]))
        return {}

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
