"""Discord's gateway: hello, identify, resume, heartbeats, and every event that the bot may receive."""

import asyncio
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox import gateway_payloads as payloads
from sandbox.gateway_codes import Close, Intent, Op
from sandbox.gateway_payloads import Identify, MembersWanted, Resume
from sandbox.gateway_session import Connection, Session, on_shard
from sandbox.session_starts import SessionStarts
from sandbox.wire import Json
from sandbox.wire import guilds as wire
from sandbox.world import Guild, World

HEARTBEAT_MS: Final = 41_250
_CHUNK: Final = 1000  # members of one GUILD_MEMBERS_CHUNK
# discord.py notes the time of a heartbeat only after it was sent. If the answer is faster than any network, discord.py
# takes it for the answer to the previous heartbeat, and logs "41 s behind".
_ACK_S: Final = 0.05


def viewable(guild: Guild) -> set[int]:
    """The channels of a guild that the bot may view."""
    return {channel.id for channel in guild.channels.values() if channel.viewable_by(guild.me)}


class Gateway:
    """The sessions of the bot, and the WebSocket handler that serves them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        """ws:// address that /gateway/bot and READY name."""
        self.heartbeat_ms = HEARTBEAT_MS
        self.sessions: dict[str, Session] = {}
        self.starts = SessionStarts()
        self.identified = 0
        self.resumed = 0

    # For other modules

    def sessions_of(self, guild: Guild) -> list[Session]:
        """The sessions that receive events of a guild."""
        return [session for session in self.sessions.values() if session.serves(guild)]

    def connected(self, guild: Guild) -> bool:
        """Whether a session of the guild's shard has a connection now."""
        return any(session.connection is not None for session in self.sessions_of(guild))

    async def drop(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close every connection with `code`; sessions stay and can be resumed."""
        for session in list(self.sessions.values()):
            if session.connection is not None:
                await session.connection.socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """Send opcode 7, as Discord does before it restarts a gateway node."""
        for session in list(self.sessions.values()):
            if session.connection is not None:
                await session.connection.op(Op.RECONNECT)

    async def forget_sessions(self) -> None:
        """Drop connections and sessions: events that happen until the bot identifies again are never sent."""
        await self.drop()
        self.sessions.clear()

    # The socket

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """The WebSocket endpoint."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 16, timeout=2.0)
        await socket.prepare(request)
        if request.query.get("v", "10") != "10":
            await socket.close(code=Close.INVALID_VERSION)
            return socket
        connection = Connection(socket, request.query.get("compress", ""))
        await connection.op(Op.HELLO, {"heartbeat_interval": self.heartbeat_ms, "_trace": ["sandbox"]})
        writer: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                while (text := await self._next(socket)) is not None:
                    if await self._received(connection, text) and writer is None:
                        writer = group.create_task(self._write(connection))
                if writer is not None:
                    writer.cancel()
        except* ConnectionError:
            pass  # the other side closed the connection during a send
        finally:
            session = connection.session
            if session is not None and session.connection is connection:
                session.connection = None
        return socket

    async def _next(self, socket: web.WebSocketResponse) -> str | bytes | None:
        """The next message; None when the connection ends or sends nothing for two heartbeats."""
        try:
            message = await socket.receive(timeout=2 * self.heartbeat_ms / 1000 + 5)
        except TimeoutError:
            await socket.close(code=Close.TIMED_OUT)
            return None
        found: str | bytes | None = message.data if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) else None
        return found

    async def _write(self, connection: Connection) -> None:
        session = connection.session
        assert session is not None
        while not connection.socket.closed:
            session.woken.clear()
            for text in session.waiting():
                try:
                    await connection.send(text)
                except ConnectionError:
                    return
            await session.woken.wait()

    async def _received(self, connection: Connection, text: str | bytes) -> bool:
        """Act on a message. True once the connection has a session."""
        try:
            number, data = payloads.message(text)
            if number not in Op.__members__.values():
                await connection.socket.close(code=Close.UNKNOWN_OPCODE)
                return False
            await self._act(connection, Op(number), data)
        except payloads.Undecodable:
            await connection.socket.close(code=Close.DECODE_ERROR)
        return connection.session is not None

    async def _act(self, connection: Connection, op: Op, data: Any) -> None:
        """Raises Undecodable."""
        if op is Op.HEARTBEAT:
            await asyncio.sleep(_ACK_S)
            await connection.op(Op.ACK)
        elif op is Op.IDENTIFY:
            await self._identify(connection, payloads.identify(data))
        elif op is Op.RESUME:
            await self._resume(connection, payloads.resume(data))
        elif connection.session is None:
            await connection.socket.close(code=Close.NOT_AUTHENTICATED)
        elif op is Op.REQUEST_MEMBERS:
            self._request_members(connection.session, payloads.members_wanted(data))

    async def _identify(self, connection: Connection, asked: Identify) -> None:
        close = self._refused(connection, asked)
        if close is not None:
            await connection.socket.close(code=close)
            return
        if not self.starts.remaining:
            self.world.application.reset_token()
            await connection.socket.close(code=Close.AUTHENTICATION_FAILED)
            return
        if not self.starts.ask(asked.shard):
            await connection.op(Op.INVALID_SESSION, False)
            return
        self.identified += 1
        session = Session(asked.intents, asked.shard, asked.large_threshold)
        # A shard that identifies anew replaces its old session.
        self.sessions = {key: old for key, old in self.sessions.items() if old.shard != session.shard}
        self.sessions[session.id] = session
        self._attach(connection, session)
        guilds = [guild for guild in self.world.guilds.values() if guild.has_bot and session.serves(guild)]
        session.push("READY", self._ready(session, guilds))
        for guild in guilds:
            self.introduce(session, guild)

    def _refused(self, connection: Connection, asked: Identify) -> Close | None:
        """The close code for an identify that is refused; None where it is accepted."""
        app = self.world.application
        denied = Intent.GUILD_PRESENCES
        denied |= Intent(0) if app.message_content else Intent.MESSAGE_CONTENT
        denied |= Intent(0) if app.guild_members else Intent.GUILD_MEMBERS
        if connection.session is not None:
            return Close.ALREADY_AUTHENTICATED
        if asked.token != app.token:
            return Close.AUTHENTICATION_FAILED
        if not 0 <= asked.shard[0] < asked.shard[1]:
            return Close.INVALID_SHARD
        if sum(on_shard(guild, asked.shard) for guild in self.world.guilds.values()) > self.starts.guilds_a_shard:
            return Close.SHARDING_REQUIRED
        if not 0 <= asked.intents < 1 << 26:
            return Close.INVALID_INTENTS
        return Close.DISALLOWED_INTENTS if asked.intents & denied else None

    def _ready(self, session: Session, guilds: list[Guild]) -> Json:
        app = self.world.application
        return {
            "v": 10,
            "user": wire.own_user(self.world.bot),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": list(session.shard),
            "application": {"id": str(app.id), "flags": wire.application_flags(app)},
            "private_channels": [], "relationships": [], "session_type": "normal", "_trace": ["sandbox"],
        }  # fmt: skip

    def introduce(self, session: Session, guild: Guild) -> None:
        """GUILD_CREATE."""
        members = bool(session.intents & Intent.GUILD_MEMBERS)
        session.viewable[guild.id] = viewable(guild)
        session.push("GUILD_CREATE", wire.guild_create(guild, members=members, large_threshold=session.large_threshold))

    async def _resume(self, connection: Connection, asked: Resume) -> None:
        session = self.sessions.get(asked.session_id)
        if asked.token != self.world.application.token:
            await connection.socket.close(code=Close.AUTHENTICATION_FAILED)
            return
        oldest = session.events[0][0] if session and session.events else 1
        if session is None or asked.sequence < oldest - 1:
            await connection.op(Op.INVALID_SESSION, False)
            return
        if asked.sequence > session.sequence:
            await connection.socket.close(code=Close.INVALID_SEQ)
            return
        self.resumed += 1
        session.sent = asked.sequence
        self._attach(connection, session)
        session.push("RESUMED", {"_trace": ["sandbox"]})

    def _attach(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection
        session.woken.set()

    def _request_members(self, session: Session, asked: MembersWanted) -> None:
        guild = self.world.guilds.get(asked.guild_id)
        if guild is None or not guild.has_bot:
            return
        missing: list[str] = []
        if asked.user_ids is not None:
            found = [guild.members[i] for i in asked.user_ids if i in guild.members]
            missing = [str(i) for i in asked.user_ids if i not in guild.members]
        elif session.intents & Intent.GUILD_MEMBERS:
            found = guild.members_named(asked.query)[: asked.limit or None]
        else:
            return
        chunks = [found[i : i + _CHUNK] for i in range(0, len(found), _CHUNK)] or [[]]
        for i, chunk in enumerate(chunks):
            reply: Json = {
                "guild_id": str(guild.id), "members": [wire.member(member) for member in chunk],
                "chunk_index": i, "chunk_count": len(chunks),
            }  # fmt: skip
            if missing:
                reply["not_found"] = missing
            if asked.nonce:
                reply["nonce"] = asked.nonce
            session.push("GUILD_MEMBERS_CHUNK", reply)
