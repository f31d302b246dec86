"""Users, members, roles, channels and guilds in Discord's JSON."""

from sandbox.permissions import Overwrite, Permission
from sandbox.snowflakes import iso
from sandbox.wire import Json
from sandbox.world import Application, Channel, ChannelKind, Guild, Member, Role, Thread, User

_HIDDEN_NAME = "___hidden___"
_HIDDEN_FLAG = 1 << 17  # CHANNEL_OBFUSCATED
_FLAG_MEMBERS = 1 << 15  # GATEWAY_GUILD_MEMBERS_LIMITED: switched on, app in fewer than 100 guilds
_FLAG_CONTENT = 1 << 19  # GATEWAY_MESSAGE_CONTENT_LIMITED
_FLAG_COMMANDS = 1 << 23  # APPLICATION_COMMAND_BADGE
# Fields that are empty in every guild here.
_NOTHING = (
    "icon", "description", "home_header", "splash", "discovery_splash", "banner", "application_id", "afk_channel_id",
    "widget_channel_id", "max_presences", "vanity_url_code", "rules_channel_id", "safety_alerts_channel_id",
    "incidents_data",
)  # fmt: skip


def user(subject: User) -> Json:
    """A user as others see them."""
    found: Json = {
        "id": str(subject.id),
        "username": subject.name,
        "avatar": None,
        "discriminator": "4821" if subject.bot else "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": None if subject.bot else subject.display_name,
        "primary_guild": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "banner": None,
        "accent_color": None,
    }
    if subject.bot:
        found |= {"bot": True, "username": subject.display_name}
    return found


def own_user(subject: User) -> Json:
    """The bot's own account."""
    return user(subject) | {"mfa_enabled": True, "locale": "en-US", "verified": True, "email": None}


def member(subject: Member, *, with_user: bool = True) -> Json:
    """A guild member; message events carry it without the user."""
    until = subject.timed_out_until_ms
    found: Json = {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": iso(until) if until else None,
        "flags": 0,
        "joined_at": iso(subject.joined_ms),
        "nick": subject.nick,
        "pending": False,
        "premium_since": None,
        "roles": [str(role.id) for role in subject.roles],
        "mute": False,
        "deaf": False,
    }
    if with_user:
        found["user"] = user(subject.user)
    return found


def role(subject: Role) -> Json:
    """A role."""
    found: Json = {
        "id": str(subject.id),
        "name": subject.name,
        "permissions": str(int(subject.permissions)),
        "position": subject.position,
        "color": subject.colour,
        "colors": {"primary_color": subject.colour, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": subject.managed,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }
    if subject.managed:
        found["tags"] = {"bot_id": str(subject.guild.world.bot.id)}
    return found


def channel(subject: Channel, viewer: Member | None = None) -> Json:
    """A channel or thread. `viewer`: include what this member may do there."""
    found: Json = {
        "id": str(subject.id),
        "type": int(subject.kind),
        "guild_id": str(subject.guild.id),
        "name": subject.name,
        "parent_id": str(subject.parent.id) if subject.parent else None,
        "flags": 0,
        "rate_limit_per_user": 0,
    }
    if subject.kind is not ChannelKind.CATEGORY:
        found["last_message_id"] = str(subject.last_message_id) if subject.last_message_id else None
    if viewer is not None:
        found["permissions"] = str(int(subject.allows(viewer)))
    if isinstance(subject, Thread):
        return found | _thread(subject, viewer)
    found |= {
        "position": subject.position,
        "nsfw": subject.age_restricted,
        "topic": subject.topic or None,
        "permission_overwrites": [_overwrite(found) for found in subject.overwrites.values()],
    }
    if subject.kind in (ChannelKind.VOICE, ChannelKind.STAGE):
        found |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
    if subject.kind in (ChannelKind.FORUM, ChannelKind.MEDIA):
        found |= {
            "available_tags": [], "default_reaction_emoji": None, "default_sort_order": None, "default_forum_layout": 0,
        }  # fmt: skip
    return found


def told_channel(subject: Channel) -> Json:
    """A channel as the gateway sends it to the bot.

    A channel that the bot may not view is reduced: id, type, position and category stay correct.
    """
    found = channel(subject)
    if subject.viewable_by(subject.guild.me):
        return found
    found |= {
        "name": _HIDDEN_NAME,
        "flags": _HIDDEN_FLAG,
        "topic": None,
        "nsfw": False,
        "permission_overwrites": [_overwrite(subject.guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL))],
    }
    if "last_message_id" in found:
        found["last_message_id"] = None
    return found


def _id(subject: Channel | None) -> str | None:
    return None if subject is None else str(subject.id)


def _overwrite(subject: Overwrite) -> Json:
    return {
        "id": str(subject.id), "type": int(subject.kind),
        "allow": str(int(subject.allow)), "deny": str(int(subject.deny)),
    }  # fmt: skip


def _thread(subject: Thread, viewer: Member | None) -> Json:
    found: Json = {
        "owner_id": str(subject.owner.id),
        # The first message of a forum post is not counted.
        "message_count": len(subject) - (subject.message(subject.id) is not None),
        "total_message_sent": len(subject) - (subject.message(subject.id) is not None),
        "member_count": min(len(subject.member_ids), 50),
        "thread_metadata": {
            "archived": subject.archived,
            "archive_timestamp": iso(subject.archived_ms),
            "auto_archive_duration": 4320,
            "locked": subject.locked,
            "create_timestamp": iso(subject.made_ms),
        },
    }
    if subject.kind is ChannelKind.PRIVATE_THREAD:
        found["thread_metadata"]["invitable"] = True
    if subject.parent.kind in (ChannelKind.FORUM, ChannelKind.MEDIA):
        found["applied_tags"] = []
    if viewer is not None and viewer.id in subject.member_ids:
        found["member"] = thread_member(subject, viewer.id)
    return found


def thread_member(thread: Thread, user_id: int) -> Json:
    """A user's membership of a thread."""
    return {
        "id": str(thread.id),
        "user_id": str(user_id),
        "join_timestamp": iso(thread.member_ids[user_id]),
        "flags": 0,
    }


def guild(subject: Guild) -> Json:
    """A guild as REST answers it."""
    return dict.fromkeys(_NOTHING) | {
        "id": str(subject.id),
        "name": subject.name,
        "features": ["COMMUNITY", "NEWS"],
        "owner_id": str(subject.owner.id),
        "region": "deprecated",
        "afk_timeout": 300,
        "system_channel_id": _id(subject.system_channel),
        "public_updates_channel_id": _id(subject.public_updates_channel),
        "system_channel_flags": 0,
        "widget_enabled": False,
        "verification_level": 0,
        "roles": [role(found) for found in subject.roles.values()],
        "default_message_notifications": 0,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": subject.locale,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
    }


def guild_create(subject: Guild, *, members: bool, large_threshold: int) -> Json:
    """A guild as the gateway introduces it. `members`: the bot may know them all, up to `large_threshold`."""
    me = subject.me
    shown = [me]
    if members and len(subject.members) <= large_threshold:
        shown = list(subject.members.values())
    threads = [t for t in subject.threads.values() if not t.archived and t.seen_by(me)]
    return guild(subject) | {
        "joined_at": iso(me.joined_ms),
        "large": len(subject.members) > large_threshold,
        "unavailable": False,
        "member_count": len(subject.members),
        "voice_states": [],
        "members": [member(found) for found in shown],
        "channels": [told_channel(found) for found in subject.channels.values()],
        "threads": [channel(found, me) for found in threads],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_flags(app: Application) -> int:
    """The flags that the intent switches of the developer portal produce."""
    members = _FLAG_MEMBERS if app.guild_members else 0
    content = _FLAG_CONTENT if app.message_content else 0
    return members | content | _FLAG_COMMANDS


def application(app: Application, bot: User, owner: User, guild_count: int) -> Json:
    """The bot's application as its owner's token sees it."""
    flags = application_flags(app)
    return {
        "id": str(app.id),
        "name": app.name,
        "icon": None,
        "description": "Finds pictures in this server's own history.",
        "type": None,
        "bot": user(bot),
        "bot_public": True,
        "bot_require_code_grant": app.code_grant,
        "integration_types_config": {"0": {}},
        "verify_key": "0" * 64,
        "flags": flags,
        "flags_new": str(flags),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user(owner),
        "approximate_guild_count": guild_count,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "event_webhooks_url": None,
        "event_webhooks_status": 1,
    }
