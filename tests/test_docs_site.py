"""The documents as a site: every page is in it, no link leads nowhere, and nothing comes from another host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What a browser fetches by itself: scripts, styles, pictures, frames, and what styles name.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="(?:stylesheet|preload|icon|preconnect)"[^>]*>"""
)
FOREIGN = re.compile(r"""(?:src|href)="(?:https?:)?//""")
IN_STYLES = re.compile(r"""(?:url\(|@import\s+)["']?(?:https?:)?//""")


def foreign(page: str) -> list[str]:
    """The elements of a page that a browser would fetch from another host."""
    return [found[0] for found in FETCHED.finditer(page) if FOREIGN.search(found[0])]


def built(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", folder],
        cwd=ROOT,
        env={"PATH": "", "HOME": str(folder), "DISABLE_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = built(folder, ROOT / "mkdocs.yml")
    assert done.returncode == 0, done.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    pages = {page.with_name("index.html") if page.stem == "README" else page for page in pages}
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    assert {
        str(page): foreign(page.read_text("utf-8")) for page in site.rglob("*.html") if foreign(page.read_text("utf-8"))
    } == {}
    assert [str(style) for style in site.rglob("*.css") if IN_STYLES.search(style.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("element", "is_foreign"),
    [
        ('<script src="https://example.org/a.js"></script>', True),
        ('<link href="//fonts.example.org/css" rel="stylesheet">', True),
        ('<link rel="stylesheet" href="https://example.org/a.css">', True),
        ('<script src="assets/a.js"></script>', False),
        ('<a href="https://example.org">elsewhere</a>', False),
    ],
)
def test_what_comes_from_another_host_is_noticed(element: str, is_foreign: bool) -> None:
    assert bool(foreign(element)) is is_foreign


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text("[here](nowhere.md)")
    config = tmp_path / "mkdocs.yml"
    kept = (ROOT / "mkdocs.yml").read_text().split("\nnav:")[0]
    config.write_text(re.sub(r"(?m)^  favicon: .*\n", "", kept))
    done = built(tmp_path / "site", config)
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
