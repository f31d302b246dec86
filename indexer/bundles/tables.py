"""Which tables and columns go along in a bundle: each one of the database is decided about here, or a test fails."""

from __future__ import annotations

from typing import Final

# Of each table the columns that go along. A table of the content may have them under another table's name (content.py).
CARRIED: Final = {
    "guilds": {"guild_id", "name", "consent", "origin_id"},
    "channels": {"channel_id", "guild_id", "parent_id", "kind", "name", "age_restricted", "archived", "origin_id"},
    "users": {"user_id", "name", "bot"},
    "origins": {"origin_id", "kind", "location", "version", "media_folders"},
    "messages": {"message_id", "guild_id", "channel_id", "author_id", "edited_ms", "checked_ms", "origin_id"},
    "texts": {"message_id", "content", "file_names", "alt_texts"},
    "pictures": {
        "picture_id", "sha256", "perceptual_hash", "colours", "width", "height", "format", "frame_count", "byte_count",
        "state", "reason",
    },
    "places": {
        "message_id", "ordinal", "picture_id", "source", "link", "file_name", "alt_text", "content_type", "byte_count",
        "width", "height", "flags", "state", "reason", "attempts", "next_attempt_ms", "path",
    },
    "exif": {"camera", "lens", "x", "y", "z"},
    "picture_texts": {"picture_id", "kind", "body", "confidence"},
    "models": {"model_id", "name", "pretrained", "dimension", "fingerprint"},
    "embeddings": {"picture_id", "model_id", "vector", "at_ms", "frames_sought"},
    "frames": {"picture_id", "model_id", "at_ms", "perceptual_hash", "vector"},
    "spans": {"channel_id", "origin_id", "low", "high"},
    "tried_models": {"guild_id", "model_id"},
    "opt_outs": {"guild_id", "user_id", "at_ms"},
    "tags": {"tag"},
    "deletions": {"message_id"},
    "deleted_here": {"message_id", "channel_id"},
}  # fmt: skip

# Columns of these tables that stay, and why.
LEFT_OUT: Final = {
    "guilds": {
        "added_ms": "when this folder came to know it",
        "absent_since_ms": "when this bot missed it",
    },
    "channels": {"parked_reason": "why this bot cannot read it at present: the next one finds out"},
    "origins": {"brought": "what an import of this folder did"},
    "places": {"place_id": "rows are numbered anew", "guild_id": "the message says it"},
    "exif": {"place_id": "the message and the ordinal say which place it is"},
    "picture_texts": {"text_id": "rows are numbered anew"},
    "tags": {
        "place_id": "the message and the ordinal say which place it is",
        "channel_id": "the message says it",
    },
    "embeddings": {"embedding_id": "rows are numbered anew"},
    "frames": {"frame_id": "rows are numbered anew"},
    "saved_notices": {
        "gate_ms": "made anew at the next look",
        "model_id": "of the gate",
        "vector": "of the gate",
        "least": "of the gate",
    },
    "new_pictures": {"seq": "rows are numbered anew"},
}

# They go along with a server that moves, since it is the same bot for the same members (saved_rows.py). In a bundle,
# which may be given to others, they are not: what members saved is for them alone.
MOVED: Final = {
    "saved_searches": {
        "saved_id", "guild_id", "user_id", "name", "question", "created_ms", "sha256", "perceptual_hash", "model_id",
        "vector",
    },
    "saved_notices": {"saved_id", "guild_id", "after_id", "language", "channel_id", "told_ms"},
    "saved_matches": {"saved_id", "place_id", "sending"},
    "saved_told": {"saved_id", "place_id"},
    "watched_pictures": {
        "watch_id", "guild_id", "added_by", "after_id", "channel_id", "alike", "place_id", "sha256", "perceptual_hash",
        "model_id", "vector", "small_copy",
    },
    "watched_matches": {"watch_id", "place_id", "band", "copy", "sending"},
    "new_pictures": {"follower", "guild_id", "place_id"},
}  # fmt: skip

# Tables that stay, and why.
STAYS: Final = {
    "application": "the manifest names it; whose a folder is, is decided where it is taken in",
    "api_keys": "keys open one installation",
    "audit_log": "who did what in this installation",
    "jobs": "requests to this bot; what they had read has its spans",
    "arrivals": "what came into this folder with servers that moved",
    "disk_notices": "who was told of this disk",
    "readings": "which pictures were read here; the texts go along",
    "picture_readers": "what reads pictures in this installation",
    "read_first": "a wish of whoever runs this bot",
    "readers": "which version's readers gave up here",
    "residue": "where this folder's files may hold deleted bytes",
    "segments": "made anew from the embeddings",
    "tombstones": "made anew from the embeddings",
    "coverage": "made anew from the embeddings",
    "index_log": "made anew by triggers",
    "channel_texts": "made anew by triggers",
    "shown_texts": "made anew by triggers",
    "place_colours": "made anew by triggers",
    "channel_authors": "made anew by triggers",
    "word_edits": "made anew by triggers",
    "promise_journal": "which journal this folder follows",
    "promises_waiting": "what this folder has to tell that journal",
    "guilds_to_forget": "what this folder still has to delete",
    "verdicts": "found out anew by comparing the pictures",
}
