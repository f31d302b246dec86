"""The operator's page in a real browser: sign in, search, look at every page, at two widths and in two schemes."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.web.api import job_events
from bot.web.console.routes import PATH, files
from indexer.bundles.export import export_bundle
from indexer.bundles.gather import Selection
from indexer.records.ids import GuildId
from sandbox.world import File
from tests.sandbox.chromium import Tab, open_tab
from tests.worlds.api_world import ADMIN, READ, WRITE, ApiWorld, api_world
from tests.worlds.bundled import quietly
from tests.worlds.running_bot import noise
from tests.worlds.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("console")]

AXE = Path(__file__).parent / "axe" / "axe.min.js"  # axe-core 4.14.1, under the Mozilla Public License 2.0

HOSTILE = '<img src="https://evil.example/x.png" onerror="document.title=1"> <script>document.title=2</script>'
PAGES = ("search", "duplicates", "coverage", "jobs", "failures", "status", "archives", "bundles", "keys", "audit")
CARDS = "document.querySelectorAll('#view .picture').length"
NOTICE = "document.getElementById('notice').textContent"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path_factory.mktemp("console") / "data") as world:
        place = world.place
        place.talk.post(place.owner.user, HOSTILE, files=[noise(5), File.of("<b>name.png", noise(31).data)])

        async def there() -> bool:
            return len((await world.ask(f"{world.town}/search", params={"q": "in:#talk"}))["hits"]) == 2

        await until(there)
        yield world


async def sign_in(tab: Tab, key: str) -> None:
    await tab.until("document.getElementById('sign-in') && !document.getElementById('sign-in').hidden")
    await tab.run(f"document.getElementById('key').value = {json.dumps(key)}")
    await tab.run("document.getElementById('sign-in-form').requestSubmit()")
    await tab.until("!document.getElementById('console').hidden")


async def go(tab: Tab, page: str) -> None:
    """Opens a page and waits until it says something."""
    await tab.run(f"location.hash = '#/{page}'")
    current = f"document.querySelector('#nav [aria-current]')?.hash === '#/{page}'"
    await tab.until(f"{current} && {NOTICE} && !{NOTICE}.endsWith('…')")


async def violations(tab: Tab) -> list[Any]:
    """What axe-core finds on the page as it is."""
    found: list[Any] = json.loads(
        await tab.run(
            "axe.run().then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) =>"
            " [id, nodes.map(({ html, any }) => [html, any.map(({ message }) => message)])])))"
        )
    )
    return found


async def test_a_person_signs_in_searches_asks_for_more_drops_a_picture_and_leaves(
    api: ApiWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "asked.png"
    picture.write_bytes(noise(4).data)
    async with open_tab(f"{api.url}{PATH}", tmp_path / "profile") as tab:
        await tab.until("!document.getElementById('sign-in').hidden")
        await tab.run("document.getElementById('key').value = 'afterimage_1_no'")
        await tab.run("document.getElementById('sign-in-form').requestSubmit()")
        await tab.until("document.getElementById('sign-in-error').textContent.includes('unknown')")
        await sign_in(tab, await api.key(READ, api.place.guild))
        await tab.until(f"{CARDS} > 5")
        names = await tab.run("[...document.querySelectorAll('#nav a')].map((link) => link.textContent).join()")
        assert names == "Search,Duplicates,Coverage,Jobs,Failures"
        servers = await tab.run("[...document.querySelectorAll('#guild option')].map((option) => option.textContent)")
        assert servers == ["Town"]
        assert await tab.run("document.cookie") == ""  # no script can read it
        await tab.call("Page.reload")
        await tab.until(f"{CARDS} > 5")  # still signed in
        await _a_late_page(tab)
        await _a_link_with_another_path(tab)
        await _words_and_filters(tab)
        await _keys_and_more_like_this(tab)
        await _dropped(tab, picture)
        await _leaving(tab)
        await _a_key_that_ends(tab, api, monkeypatch)
        assert tab.errors == []


async def _leaving(tab: Tab) -> None:
    """Whose session could not be ended is told so: the cookie would sign in whoever opens the page next."""
    await tab.run("window.answering = window.fetch; window.fetch = async () => { throw new TypeError('away') }")
    await tab.run("document.getElementById('sign-out').click()")
    await tab.until(f"{NOTICE}.includes('still signed in') && !document.getElementById('console').hidden")
    await tab.run("window.fetch = window.answering")
    await tab.run("document.getElementById('sign-out').click()")
    await tab.until("!document.getElementById('sign-in').hidden")


async def _a_key_that_ends(tab: Tab, api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is live leaves when its key is revoked, and asks no more."""
    monkeypatch.setattr(job_events, "LOOK_S", 0.01)
    key, secret = await api.service.api_keys.create("watches", READ)
    await sign_in(tab, secret)
    await go(tab, "jobs")
    await tab.until(f"{NOTICE} === 'Live'")
    await api.service.api_keys.revoke(key.id)
    await tab.until("!document.getElementById('sign-in').hidden")


async def _a_late_page(tab: Tab) -> None:
    """Whoever goes on before a page has its answer sees the page to which they went."""
    await tab.run("addEventListener('hashchange', () => { location.hash = '#/search' }, { once: true })")
    await tab.run("location.hash = '#/failures'")
    answered = "performance.getEntriesByType('resource').some((entry) => entry.name.includes('/failures?'))"
    await tab.until(f"{answered} && {CARDS} > 5")
    assert await tab.run("document.querySelector('#view form') !== null")
    await tab.until(f"{NOTICE}.includes('looked through')")
    await tab.run("addEventListener('hashchange', () => { location.hash = '#/jobs' }, { once: true })")
    await tab.run("location.hash = '#/search?q=picture'")
    await tab.until(f"{NOTICE} === 'Live'")
    await tab.run("new Promise((done) => setTimeout(done, 300))")  # for the answer that nobody waits for any more
    assert await tab.run(NOTICE) == "Live"
    await tab.run("location.hash = '#/search'")
    await tab.until(f"{CARDS} > 5")


async def _a_link_with_another_path(tab: Tab) -> None:
    """What a link gives as the picture to ask with is a number, or nothing."""
    await tab.run("location.hash = '#/search?like=..%2F..%2Fjobs%3F'")
    await tab.until(f"location.hash === '#/search' && {CARDS} > 5")


async def _words_and_filters(tab: Tab) -> None:
    await tab.run("document.getElementById('words').value = '\"picture number 3\" in:#pictures'")
    await tab.run("document.querySelector('#view form').requestSubmit()")
    await tab.until("document.querySelector('#view .said')?.textContent === 'picture number 3'")
    chips = "[...document.querySelectorAll('.chips .on')].map((chip) => chip.textContent)"
    assert await tab.run(chips) == ['"picture number 3" ×', "in:#pictures ×"]
    await tab.run("document.querySelectorAll('.chips .on')[0].click()")
    await tab.until(f"{CARDS} === 6 && {chips}.length === 1")
    await tab.run("document.getElementById('words').value = 'near:48.1,11.6,5km color:blue in:#pictures'")
    await tab.run("document.querySelector('#view form').requestSubmit()")
    await tab.until(f"{chips}.join() === 'near:48.1,11.6,5km ×,color:blue ×,in:#pictures ×'")
    offered = "[...document.querySelectorAll('.chips button:not(.on)')]"
    assert await tab.run(f"{offered}.every((chip) => chip.title && chip.ariaLabel.startsWith('Add '))")
    await tab.run("document.getElementById('words').value = 'in:#pictures'")
    await tab.run("document.querySelector('#view form').requestSubmit()")
    await tab.until(f"{CARDS} === 6 && {chips}.length === 1")


async def _keys_and_more_like_this(tab: Tab) -> None:
    await tab.run("document.querySelector('#view .picture').focus()")
    await tab.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    assert await tab.run("document.activeElement === document.querySelectorAll('#view .picture')[1]")
    await tab.call("Input.dispatchKeyEvent", type="keyDown", key="m", text="m")
    await tab.until("document.querySelector('.asked') && location.hash.includes('like=')")
    await tab.until("document.querySelector('#view .band')")


async def _dropped(tab: Tab, picture: Path) -> None:
    drag = {"items": [], "files": [str(picture)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await tab.call("Input.dispatchDragEvent", type=kind, x=300, y=300, data=drag)
    await tab.until("document.querySelector('#view .band')?.textContent.toLowerCase().includes('same picture')")
    assert await tab.run("document.querySelector('#view .said').textContent") == "picture number 4"


async def test_tags_are_shown_searched_by_and_edited_by_who_may(api: ApiWorld, tmp_path: Path) -> None:
    line = "document.querySelector('#view .tags')"
    async with open_tab(f"{api.url}{PATH}", tmp_path / "writer") as tab:
        await sign_in(tab, await api.key(WRITE, api.place.guild))
        await tab.until(f"{CARDS} > 5")
        await tab.run(f"{line}.querySelector(':scope > button').click()")
        await tab.until(f"document.activeElement === {line}.querySelector('input')")
        await tab.run(f"{line}.querySelector('input').value = 'Rainy Day, \"x\", wet'")
        await tab.run(f"{line}.querySelector('.choices button').click()")
        await tab.until(f"{NOTICE}.includes('cannot have')")
        await tab.run(f"{line}.querySelector('input').value = 'Rainy Day, wet, wet, <b>'")
        await tab.run(f"{line}.querySelector('.choices button').click()")
        await tab.until(f"{line}.textContent === '<b>rainy daywetEdit tags'")
        await tab.run(AXE.read_text("utf-8"))
        assert await violations(tab) == []
        await tab.run(f"{line}.querySelectorAll('.chips button')[1].click()")
        await tab.until(f"document.getElementById('words').value === 'tag:\"rainy day\"' && {CARDS} === 1")
        assert tab.errors == []
    async with open_tab(f"{api.url}{PATH}#/search?q=tag:wet", tmp_path / "reader") as tab:
        await sign_in(tab, await api.key(READ, api.place.guild))
        await tab.until(f"{CARDS} === 1 && {line}.textContent === '<b>rainy daywet'")


async def test_every_page_fits_is_accessible_and_asks_nobody_else(api: ApiWorld, tmp_path: Path) -> None:
    async with open_tab(f"{api.url}{PATH}", tmp_path) as tab:
        await sign_in(tab, await api.key(ADMIN))
        await tab.until(f"{CARDS} > 5")
        await tab.run(AXE.read_text("utf-8"))
        for width, scheme in ((1440, "light"), (390, "dark")):
            size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 800}
            await tab.call("Emulation.setDeviceMetricsOverride", **size)
            await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            for page in PAGES:
                await go(tab, page)
                assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), (page, width)
                tables = "[...document.querySelectorAll('#view .table')]"
                if width < 800:  # nothing has to be scrolled sideways there
                    assert await tab.run(f"{tables}.every((table) => table.scrollWidth <= table.clientWidth)"), page
                assert await violations(tab) == [], (page, width, scheme)
        await _uploaded(tab, api)
        await _bundled(tab)
        await _taken_in(tab, api)
        await go(tab, "search")
        await tab.until("[...document.images].some((image) => image.closest('.frame') && image.naturalWidth > 0)")
        assert HOSTILE in await tab.run("document.getElementById('view').textContent")
        assert await tab.run("document.querySelectorAll('#view script, #view b').length") == 0
        assert await tab.run("document.title") == "Search · Afterimage"
        loaded = await tab.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert [
            address for address in loaded if not address.startswith(api.url) and not address.startswith("blob:")
        ] == []
        assert tab.errors == []


async def _uploaded(tab: Tab, api: ApiWorld) -> None:
    """A file that is chosen comes into the folder for archives, and is offered there. Of a file of the same name and
    size some part is there already: the page sends its own.
    """
    admin, data = await api.key(ADMIN), b"[]"
    about = {"name": "my export.json", "bytes": len(data)}
    begun = await api.ask("/api/v1/uploads", method="POST", json=about, key=admin, status=201)
    headers, sent = {"Content-Type": "application/octet-stream"}, {"crc32": f"{zlib.crc32(data):08x}"}
    part = f"/api/v1/uploads/{begun['id']}/parts/0"
    await api.ask(part, method="PUT", params=sent, data=data, headers=headers, key=admin)
    await go(tab, "archives")
    assert (
        await tab.run(
            "import('/console/upload.js').then((found) => found.crc32(new TextEncoder().encode('123456789')))"
        )
        == "cbf43926"
    )
    await tab.run(
        "{ const chosen = new DataTransfer(); chosen.items.add(new File(['{}'], 'my export.json'));"
        " document.getElementById('archive-file').files = chosen.files }"
    )
    await tab.run("document.getElementById('archive-file').closest('.card').querySelector('button').click()")
    await tab.until("document.querySelector('#view table')?.textContent.includes('my export.json')")
    assert (api.bot.data_dir.with_name("archives") / "my export.json").read_bytes() == b"{}"
    buttons = "[...document.querySelectorAll('#view td button')]"
    await tab.run(f"{buttons}.find(({{ textContent }}) => textContent === 'Look through').click()")
    await tab.until("document.querySelector('#view section.card .error')?.textContent.includes('needs a name')")


async def _bundled(tab: Tab) -> None:
    """A server goes into one file, which the page saves by itself when it is made."""
    await go(tab, "bundles")
    await tab.run(
        "[...document.querySelectorAll('#view button')].find((found) => found.textContent === 'Make a bundle').click()"
    )
    await tab.until("document.querySelector('#view section.card')?.textContent.includes('It was fetched.')")


async def _taken_in(tab: Tab, api: ApiWorld) -> None:
    """A bundle in the folder is looked through, says what it would do, and comes in when that is confirmed."""
    target = api.bot.data_dir.with_name("archives") / "town.bundle.zst"
    await export_bundle(api.bot.data_dir, Selection((GuildId(api.place.guild.id),)), target, quietly)
    await go(tab, "archives")
    row = "[...document.querySelectorAll('#view tr')].find((found) => found.textContent.includes('town.bundle.zst'))"
    await tab.until(f"{row} !== undefined")
    await tab.run(f"[...{row}.querySelectorAll('button')][0].click()")
    card = "document.querySelector('#view section.card')"
    named = "({ textContent }) => textContent === 'Import the bundle …'"
    offered = f"[...({card}?.querySelectorAll('button') ?? [])].find({named})"
    await tab.until(f"{offered} !== undefined")
    assert await violations(tab) == []
    await tab.run(f"window.confirm = (text) => {{ window.asked = text; return true; }}; {offered}.click()")
    await tab.until(f"{card}.textContent.includes('was imported')")
    assert "0 messages would go" in await tab.run("window.asked")


async def test_the_files_have_tags_and_a_policy_without_exceptions(api: ApiWorld) -> None:
    for path in (PATH, *(f"{PATH}/{name}" for name in files())):
        async with api.http.get(api.url + path) as response:
            assert response.status == 200
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            tag = response.headers["ETag"]
        async with api.http.get(api.url + path, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
    async with api.http.get(f"{api.url}{PATH}/routes.py") as response:
        assert response.status == 404
    html = files()["console.html"][1].decode()
    assert "<style" not in html
    assert " style=" not in html
    assert " on" not in html.replace(" one", "")
    for name, (_, content, _) in files().items():
        assert b"innerHTML" not in content, name
        assert b"insertAdjacentHTML" not in content, name
