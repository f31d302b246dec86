"""Signed links to files, as Discord's CDN and media proxy create them."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from sandbox.world import Attachment, Sticker

DAY_S: Final = 86_400.0


@dataclass(slots=True)
class Links:
    """Creates and checks links below `base` (scheme, host and port).

    `ttl_s`: seconds until a link expires. `strict`: a component does not resolve an unsigned link to a file here.
    Discord documents only for other fields that it signs such links itself.
    """

    base: str
    secret: bytes
    now_ms: Callable[[], int]
    ttl_s: float = DAY_S
    strict: bool = False

    def bare(self, attachment: Attachment) -> str:
        """The link without its signature: what identifies the file."""
        return self.base + self._path(attachment)

    def signed(self, attachment: Attachment) -> str:
        """A link that works until it expires."""
        return f"{self.bare(attachment)}?{self._signature(self._path(attachment))}"

    def proxied(self, attachment: Attachment) -> str:
        """The media proxy's link to the same file; it takes width, height, format and quality."""
        path = self._path(attachment)
        return f"{self.base}/media{path}?{self._signature(path)}"

    def external(self, url: str) -> str:
        """The media proxy's link to a picture outside Discord."""
        scheme, _, rest = url.partition("://")
        return f"{self.base}/external/{self._digest(url.encode())[:43]}/{scheme}/{quote(rest)}"

    def external_url(self, digest: str, scheme: str, rest: str) -> str | None:
        """The address behind an external link, or None when the link was not made here."""
        url = f"{scheme}://{unquote(rest)}"
        return url if hmac.compare_digest(digest, self._digest(url.encode())[:43]) else None

    def sticker(self, sticker: Sticker) -> str:
        """The address of a sticker (a GIF is on the media host)."""
        extension = {1: "png", 2: "png", 3: "json", 4: "gif"}[sticker.format]
        return f"{self.base}/stickers/{sticker.id}.{extension}"

    def valid(self, attachment: Attachment, query: Mapping[str, str], at_ms: int | None = None) -> bool:
        """Whether a query's signature was made here for this file and has not expired (with `at_ms`:
        had not expired then).
        """
        path = self._path(attachment)
        expires, issued, given = query.get("ex", ""), query.get("is", ""), query.get("hm", "")
        if not hmac.compare_digest(given, self._digest(f"{path}?ex={expires}&is={issued}".encode())):
            return False
        return int(expires, 16) * 1000 > (self.now_ms() if at_ms is None else at_ms)

    def resolves(self, url: str, attachment: Attachment, at_ms: int) -> bool:
        """Whether a component that was sent at `at_ms` may show the file by this link."""
        return not self.strict or self.valid(attachment, dict(parse_qsl(urlsplit(url).query)), at_ms)

    def attachment_id(self, url: str) -> int | None:
        """Which attachment a link of ours names, whatever its query; None for any other address."""
        if not url.startswith(self.base + "/"):
            return None
        parts = url.removeprefix(self.base).partition("?")[0].removeprefix("/media").split("/")
        named = len(parts) == 5 and parts[1] in ("attachments", "ephemeral-attachments") and parts[3].isdecimal()
        return int(parts[3]) if named else None

    def _path(self, attachment: Attachment) -> str:
        folder = "ephemeral-attachments" if attachment.ephemeral else "attachments"
        return f"/{folder}/{attachment.channel_id}/{attachment.id}/{quote(attachment.file.name)}"

    def _signature(self, path: str) -> str:
        now = self.now_ms() / 1000
        expires, issued = f"{int(now + self.ttl_s):x}", f"{int(now):x}"
        return f"ex={expires}&is={issued}&hm={self._digest(f'{path}?ex={expires}&is={issued}'.encode())}"

    def _digest(self, data: bytes) -> str:
        return hmac.new(self.secret, data, hashlib.sha256).hexdigest()
