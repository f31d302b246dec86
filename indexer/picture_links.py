"""Addresses of pictures: which names look like one, what an address is without its signature, when it expires. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit, urlunsplit

# Extensions that are tried as pictures where nothing tells the content type; the bytes decide in the end.
PICTURE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".heic", ".heif"}
)
# Of camera raw files, which are looked for in folders of pictures alone: in Discord one is a download of tens of MB.
RAW_SUFFIXES = frozenset({".dng", ".cr2", ".nef", ".arw"})
RAW_FILE_BYTES = 128 * 1024**2  # an uncompressed one of 61 megapixels has 123 MB
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"})

SPOILER_PREFIX = "SPOILER_"  # of a file's name

# Query parameters of Discord's signature; a link that carries one is Discord's own, and is the same without its query.
SIGNATURE = frozenset({"ex", "is", "hm"})
DISCORD_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})

STICKER_CDN = "https://cdn.discordapp.com"
_STICKER_GIF_CDN = "https://media.discordapp.net"
# Uploads and stickers; their resized copies; pictures that embeds show, through Discord's proxy.
_DISCORD_HOST = re.compile(r"(cdn\.discordapp\.com|media\.discordapp\.net|images-ext-[0-9]{1,2}\.discordapp\.net)")


def largest_file(name: str, most: int) -> int:
    """Bytes of the largest file of this name that is read from a disk; `most` where it is no camera raw file."""
    return max(most, RAW_FILE_BYTES) if PurePosixPath(name).suffix.lower() in RAW_SUFFIXES else most


def is_discord_host(host: str) -> bool:
    """Whether Discord itself answers under this name (in lower case), its proxies for pictures elsewhere among them."""
    return _DISCORD_HOST.fullmatch(host) is not None


def sticker_link(sticker_id: object, *, gif: bool, cdn: str = STICKER_CDN) -> str:
    """Where a sticker's picture is: Discord serves those in GIF format from its media proxy, and any other as PNG."""
    gif_cdn = _STICKER_GIF_CDN if cdn == STICKER_CDN else cdn
    return f"{gif_cdn}/stickers/{sticker_id}.gif" if gif else f"{cdn}/stickers/{sticker_id}.png"


def bare_link(url: str) -> str:
    """The identity of a picture's URL: Discord's own links lose their query (the signature), others keep theirs."""
    parts = urlsplit(url)
    names = {name for name, _ in parse_qsl(parts.query)}
    if parts.hostname in DISCORD_HOSTS or names & SIGNATURE:
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))


def fetchable(url: str) -> bool:
    """False for `attachment://` of a message that is still being made, for a path, and for what is no URL at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def file_name(url: str) -> str:
    """The last part of the URL's path; empty where it cannot be fetched."""
    return PurePosixPath(urlsplit(url).path).name if fetchable(url) else ""


def expires_s(url: str) -> int | None:
    """When a signed link of Discord's runs out (Unix seconds); None for a link without such a signature."""
    try:
        return int(parse_qs(urlsplit(url).query)["ex"][0], 16)
    except (KeyError, ValueError):
        return None


def proxied_source(url: str) -> str:
    """The address behind one of Discord's proxy for pictures elsewhere; any other URL as it is."""
    parts = urlsplit(url)
    ours = is_discord_host(parts.hostname or "")
    _, external, rest = parts.path.partition("/external/")
    pieces = rest.split("/")  # the proxy's own key, the source's query where it has one, the scheme, host and path
    at = next((at for at, piece in enumerate(pieces[:3]) if piece in ("http", "https")), 0)
    if not (ours and external and at and len(pieces) > at + 1):
        return url
    query = unquote(pieces[1]) if at == 2 else ""
    source = f"{pieces[at]}://{unquote('/'.join(pieces[at + 1 :]))}{query}"
    return source if fetchable(source) else url
