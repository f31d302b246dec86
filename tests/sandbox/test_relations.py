"""`python -m sandbox.demo.relations`: pictures to try re-ranking on, and a configuration that the bot takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from PIL import Image

from bot import cli
from bot.config.loader import load
from sandbox.demo import relations
from sandbox.drawing.statements import Form, Statement, holds
from sandbox.model import EXPORT, MATCHING


def test_the_pictures_show_both_ways_round_and_the_configuration_names_both_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = relations.scenes(4)
    relations.write(tmp_path / "relations", scenes)
    pictures = sorted((tmp_path / "relations" / "pictures").iterdir())
    assert [picture.name for picture in pictures] == ["0000.jpg", "0001.jpg", "0002.jpg", "0003.jpg"]
    for picture in pictures:
        with Image.open(picture) as image:
            image.load()
    settings = load(tmp_path / "relations" / "config.toml", {}).settings
    assert (settings.rerank.enabled, settings.rerank.name, settings.model.folder) == (True, str(MATCHING), EXPORT)
    assert settings.data_dir.is_relative_to(tmp_path)
    bring_in, ask, ask_first_alone = relations.commands(tmp_path / "relations")
    assert cli.main([*shlex.split(bring_in)[1:], "--dry-run"]) == 0
    assert "4 pictures: 4 of them new" in capsys.readouterr().out
    for command in (ask, ask_first_alone):
        _, _, arguments = command.partition("afterimage ")
        assert cli.command_parser().parse_args(shlex.split(arguments)).words == ["dog without cat"]


def test_the_documents_give_the_commands_that_it_prints() -> None:
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    for command in relations.commands(Path("data/relations")):
        variables, _, arguments = command.partition("afterimage ")
        assert f"    {variables}.venv/bin/afterimage {arguments}\n" in page


def test_what_the_documents_ask_is_true_of_some_pictures_and_the_other_way_round_of_others() -> None:
    cat, dog, *_ = relations.THINGS
    scenes = relations.scenes()
    for form in (Form.LEFT, Form.RIGHT):
        assert sum(holds(Statement(form, dog, cat), scene) for scene in scenes) >= 3
