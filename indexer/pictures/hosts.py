"""Decides which addresses may be contacted, and makes the address of a smaller copy. Pure: no network."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection

from yarl import URL

from indexer.errors import Reason, Rejected
from indexer.picture_links import is_discord_host

_PRINTABLE = re.compile(r"[!-~]+")
# The deciding side of a requested copy is 1.3 × the model's input, rounded up to a multiple of 16: 336 pixels for 256.
# Our own code shrinks the rest, so that the proxy's resampling does not change the embedding.
_COPY_HEADROOM = 1.3
_COPY_STEP = 16
# If the original is larger than the copy by less than this ratio, the original is fetched: it is not recompressed.
_WORTHWHILE = 1.25
_RESIZING = ("width", "height", "format", "quality", "animated")
_MAY_MOVE = (".gif", ".webp", ".avif")


def allowed(url: str, extra_hosts: Collection[str] = (), insecure_hosts: Collection[str] = ()) -> URL:
    """The address to contact for `url`, or Rejected(HOST_NOT_ALLOWED).

    Allowed are https on port 443 to Discord's own hosts and to the exact names in `extra_hosts`, and http to the
    "host:port" pairs in `insecure_hosts`. The returned URL is the one that was checked. Callers must connect to it, so
    that no second parser can read the address differently.
    """
    try:
        # Printable ASCII stays unchanged, because quoting it again could break a signature.
        address = URL(url, encoded=bool(_PRINTABLE.fullmatch(url)))
        host, port = (address.raw_host or "").lower(), address.port
    except ValueError as error:
        raise Rejected(Reason.HOST_NOT_ALLOWED, f"not an address: {error}") from error
    if address.raw_user is not None or address.raw_password is not None or "@" in address.raw_authority:
        raise Rejected(Reason.HOST_NOT_ALLOWED, "an address with a user name in it")
    literal = _literal(host)
    if address.scheme == "http" and (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") in insecure_hosts:
        if literal is not None and not literal.is_loopback:
            raise Rejected(Reason.HOST_NOT_ALLOWED, f"{host} is not on loopback, where alone plain http is allowed")
        return address
    if address.scheme != "https" or port != 443:
        raise Rejected(Reason.HOST_NOT_ALLOWED, f"{address.scheme}://{host}:{port} is not https on port 443")
    if not (is_discord_host(host) or host in extra_hosts):
        raise Rejected(Reason.HOST_NOT_ALLOWED, host)
    if literal is not None and not is_public(str(literal)):
        raise Rejected(Reason.HOST_NOT_ALLOWED, f"{host} is a private address")
    return address


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet: not private, loopback, link-local, multicast or reserved.

    Of an IPv6 address that contains an IPv4 address (mapped, 6to4, Teredo, or NAT64's 64:ff9b::/96) the IPv4 address is
    tested.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine."""
    literal = _literal(address)
    return literal is not None and literal.is_loopback


def expires(address: URL) -> bool:
    """Whether a refusal of this address may mean that its signature has expired: it is an upload on Discord's CDN."""
    path = address.raw_path.removeprefix("/media")  # the sandbox has its proxy on the same host, below /media
    return "hm" in address.query or path.startswith(("/attachments/", "/ephemeral-attachments/"))


def sized(proxy: URL, width: int | None, height: int | None, target_px: int) -> URL | None:
    """The media proxy's address of a WebP copy a little above `target_px`, with the same aspect ratio.

    None where the original is as good. `width` and `height` are those that Discord gives for the original. Both sides
    of the copy are at least the target, so the copy is never enlarged for the model.
    """
    if not width or not height or width < 0 or height < 0:
        return None
    side = math.ceil(target_px * _COPY_HEADROOM / _COPY_STEP) * _COPY_STEP
    scale = side / min(width, height)
    if scale * _WORTHWHILE > 1:
        return None
    kept = [pair for pair in proxy.raw_query_string.split("&") if pair and pair.partition("=")[0] not in _RESIZING]
    kept += ["format=webp", f"width={math.ceil(width * scale)}", f"height={math.ceil(height * scale)}"]
    if proxy.raw_path.lower().endswith(_MAY_MOVE):
        kept.append("animated=true")  # or else the proxy sends only the first frame, which is often blank
    return URL(f"{proxy.origin()}{proxy.raw_path}?{'&'.join(kept)}", encoded=True)


def without_query(address: URL) -> str:
    """The address for logs and messages: a query may hold a signature."""
    return f"{address.origin()}{address.raw_path}"
