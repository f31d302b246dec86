"""Every request that docs/http.md shows, sent by curl as it stands there."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from indexer.bundles.export import export_bundle
from indexer.bundles.gather import Selection
from indexer.records.ids import GuildId
from tests.worlds.api_world import ADMIN, ApiWorld
from tests.worlds.bundled import quietly
from tests.worlds.picture_files import picture
from tests.worlds.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("api documented"),
    pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash"),
]

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = "123456789012345678"  # the server in the document
# What is counted here is not what the document counts, so that nothing is deleted.
CONFLICTS = '"confirm": 12'


def requests() -> list[str]:
    """The commands, each in one line or several."""
    text = (ROOT / "docs" / "http.md").read_text("utf-8")
    return [re.sub(r"^    ", "", found, flags=re.M) for found in re.findall(r"^    curl (?:.*\\\n)*.*$", text, re.M)]


async def test_every_request_of_the_document_is_answered(api: ApiWorld, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(picture(900))
    (tmp_path / "part-0").write_bytes(b"123456789")
    archives = api.bot.data_dir.with_name("archives")
    town = Selection((GuildId(api.place.guild.id),))
    await export_bundle(api.bot.data_dir, town, archives / "town.bundle.zst", quietly)
    # The document's address leads to this server; a refusal is a failure, and its body is shown.
    (tmp_path / ".curlrc").write_text(
        f"connect-to = 127.0.0.1:8642:{api.url.removeprefix('http://')}\nsilent\nfail-with-body\n"
    )
    known = {"KEY": await api.key(ADMIN), "PATH": "/usr/bin:/bin", "CURL_HOME": str(tmp_path), "HOME": str(tmp_path)}
    sent = requests()
    assert len(sent) >= 8
    for command in sent:
        command = command.replace(EXAMPLE, str(api.place.guild.id)).replace("#memes", "#pictures")

        async def answered(command: str = command) -> bool:
            shell = await asyncio.create_subprocess_exec(
                "bash", "-c", command, cwd=tmp_path, env=known, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await shell.communicate()
            found = json.loads(output) if output else {}
            if shell.returncode and "town.bundle.zst" in command:
                return False  # it is being made, or another one is being looked through
            if "error" in found and found["error"]["code"] == "conflict":
                return CONFLICTS in command
            assert shell.returncode == 0, (command, output)
            if command.rstrip().partition("#")[0].count("/uploads ") == 1:
                known["UPLOAD"] = found["id"]
            return True

        await until(answered)
    assert (tmp_path / "town.bundle.zst").stat().st_size > 1000
    assert (archives / "export.zip").read_bytes() == b"123456789"
