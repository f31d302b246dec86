"""Which addresses may be contacted: only Discord's, whatever tricks the URL plays."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from indexer.errors import Reason, Rejected
from indexer.pictures.hosts import allowed, expires, is_public, sized, without_query

HOSTS = ("cdn.discordapp.com", "media.discordapp.net", "images-ext-1.discordapp.net", "images-ext-2.discordapp.net")
SIGNED = "https://cdn.discordapp.com/attachments/1/2/a%20b%2Cc.png?ex=6&is=5&hm=abc&"


def refused(url: str, *, extra: tuple[str, ...] = (), insecure: tuple[str, ...] = ()) -> bool:
    try:
        allowed(url, extra, insecure)
    except Rejected as rejected:
        return rejected.reason is Reason.HOST_NOT_ALLOWED
    return False


@pytest.mark.parametrize("host", HOSTS)
def test_discords_own_hosts_are_allowed_over_https(host: str) -> None:
    assert allowed(f"https://{host}/x.png").host == host
    assert allowed(f"https://{host}:443/x.png").host == host
    assert allowed(f"https://{host.upper()}/x.png").host.lower() == host  # type: ignore[union-attr]  # None fails the test as well
    assert refused(f"http://{host}/x.png")
    assert refused(f"https://{host}:8443/x.png")
    assert refused(f"ftp://{host}/x.png")


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.discordapp.com.evil.example/x",
        "https://evil.example/cdn.discordapp.com",
        "https://cdn.discordapp.com@evil.example/x",
        "https://evil.example@cdn.discordapp.com/x",
        "https://user:pass@cdn.discordapp.com/x",
        "https://@cdn.discordapp.com/x",
        "https://cdn.discordapp.com\\@evil.example/x",
        "https://evil.example\\.cdn.discordapp.com/x",
        "https://cdn.discordapp.com:443@evil.example/x",
        "https://cdn.discordapp.com./x",
        "https://.cdn.discordapp.com/x",
        "https://xcdn.discordapp.com/x",
        "https://cdn-discordapp.com/x",
        "https://cdn.discordapp.com%2eevil.example/x",
        "https://cdn.discordapp.com%00.evil.example/x",
        "https://images-ext-1234.discordapp.net/x",
        "https://images-ext-.discordapp.net/x",
        "https://images-ext-1.discordapp.net.evil.example/x",
        "https://cdn。discordapp。com.evil.example/x",
        "https://cdn.disc\u043erdapp.com/x",  # a Cyrillic o
        "https://discord.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost/x",
        "//cdn.discordapp.com/x",
        "cdn.discordapp.com/x",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "",
        " ",
        "https://",
        "https:///x",
        "https://cdn.discordapp.com:99999/x",
        "https://cdn.discordapp.com:x/x",
        "https://[::1/x",
        "https://cdn.discordapp.com\r\nHost: evil.example/x",
    ],
)
def test_what_only_looks_like_discord_is_refused(url: str) -> None:
    assert refused(url)


@given(st.text(max_size=60))
def test_any_text_is_an_allowed_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://cdn.discordapp.com{text}", f"https://{text}cdn.discordapp.com/"):
        try:
            address = allowed(url)
        except Rejected:
            continue
        assert address.scheme == "https"
        assert (address.host or "").lower() in HOSTS or "images-ext-" in (address.host or "").lower()
        assert address.user is None
        # What stands in the request's first line can hold no line break.
        assert not set("\r\n ") & set(address.raw_path_qs)
        # A second, independent parser agrees where it leads.
        assert (urlsplit(str(address)).hostname or "") == (address.host or "").lower()


@given(st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True))
def test_only_exact_names_are_extra(name: str) -> None:
    if name != "pictures.example":
        assert refused(f"https://{name}/x", extra=("pictures.example",)) or name in HOSTS or "images-ext-" in name
    assert not refused("https://pictures.example/x", extra=("pictures.example",))


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "[::1]", "[fd00::1]"])
def test_a_private_address_is_refused_even_when_it_is_listed(address: str) -> None:
    assert refused(f"https://{address}/x", extra=(address.strip("[]"), address))
    if not ipaddress.ip_address(address.strip("[]")).is_loopback:
        assert refused(f"http://{address}:80/x", insecure=(f"{address}:80",))


def test_plain_http_leads_only_to_a_listed_port_on_loopback() -> None:
    assert allowed("http://127.0.0.1:8123/x", (), ("127.0.0.1:8123",)).port == 8123
    assert allowed("http://[::1]:8123/x", (), ("[::1]:8123",)).port == 8123
    assert refused("http://127.0.0.1:8124/x", insecure=("127.0.0.1:8123",))
    assert refused("https://127.0.0.1:8123/x", insecure=("127.0.0.1:8123",))
    assert refused("http://127.0.0.1:8123@evil.example/x", insecure=("127.0.0.1:8123",))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("162.159.135.233", True),
        ("2606:4700::6810:1", True),
        ("127.0.0.53", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("not an address", False),
    ],
)
def test_public_addresses_are_told_from_private_ones(address: str, public: bool) -> None:
    assert is_public(address) is public


@given(st.ip_addresses(v=4))
def test_wrapping_a_private_address_in_ipv6_gains_nothing(address: ipaddress.IPv4Address) -> None:
    if not is_public(str(address)):
        assert not is_public(f"::ffff:{address}")
        assert not is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address))))
        assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80))))


# Smaller copies


def test_a_signature_is_passed_on_byte_for_byte() -> None:
    assert str(allowed(SIGNED)) == SIGNED
    copy = sized(allowed(SIGNED), 4000, 3000, 256)
    assert copy is not None
    assert copy.raw_path == "/attachments/1/2/a%20b%2Cc.png"
    assert copy.raw_query_string == "ex=6&is=5&hm=abc&format=webp&width=448&height=336"


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(16, 1024))
def test_a_copy_is_never_smaller_than_the_models_input_nor_worth_less_than_the_request(
    width: int, height: int, target: int
) -> None:
    copy = sized(URL("https://media.discordapp.net/attachments/1/2/a.png?ex=1"), width, height, target)
    if copy is None:
        assert min(width, height) <= target * 1.3 * 1.25 + 32
        return
    wide, high = int(copy.query["width"]), int(copy.query["height"])
    assert target <= min(wide, high) < min(width, height)
    assert abs(wide / high - width / height) <= 2 * (width / height + 1) / min(wide, high)


def test_without_a_claimed_size_the_original_is_fetched() -> None:
    proxy = URL("https://media.discordapp.net/attachments/1/2/a.png")
    for width, height in ((None, None), (0, 100), (100, None), (-5, 5), (300, 300)):
        assert sized(proxy, width, height, 256) is None


def test_a_copy_of_what_may_move_is_asked_for_moving() -> None:
    for name, moving in (("a.gif", True), ("a.WEBP", True), ("a.png", False), ("a.jpg", False)):
        copy = sized(URL(f"https://media.discordapp.net/attachments/1/2/{name}?width=9&format=png"), 999, 999, 64)
        assert copy is not None
        assert (copy.query.get("animated") == "true") is moving
        assert copy.query.getall("width") == ["96"]


def test_only_uploads_expire() -> None:
    assert expires(URL("https://cdn.discordapp.com/attachments/1/2/a.png"))
    assert expires(URL("https://cdn.discordapp.com/ephemeral-attachments/1/2/a.png"))
    assert expires(URL("https://elsewhere.example/a.png?hm=1"))
    assert not expires(URL("https://media.discordapp.net/stickers/1.gif"))
    assert not expires(URL("https://images-ext-1.discordapp.net/external/abc/https/x.example/a.png"))


def test_logs_get_no_signature() -> None:
    assert without_query(allowed(SIGNED)) == "https://cdn.discordapp.com/attachments/1/2/a%20b%2Cc.png"
