"""Pictures whose things alone do not tell them apart, to try re-ranking on: `python -m sandbox.demo.relations FOLDER`.

All of them show things of the same ten: so each pair of things stands in many, left and right of one another, above and
below, once and several times. The second model was trained on none of them.
"""

import argparse
from pathlib import Path
from random import Random
from typing import Final

from sandbox.demo.bot import as_toml
from sandbox.demo.pictures import SIZES, Picture
from sandbox.drawing.concepts import BY_ID, ConceptId
from sandbox.drawing.scene import Scene
from sandbox.drawing.statements import crowded_scene
from sandbox.model import CONFIG, EXPORT, MATCHING, NAME, RESIZE_MODE, WEIGHTS

THINGS: Final = tuple(
    BY_ID[ConceptId(name)]
    for name in (
        *("cat", "dog", "castle", "rocket", "banana", "guitar"),
        *("red circle", "blue circle", "red square", "blue square"),
    )
)
COUNT: Final = 300
_SEED: Final = 7_000_000_000  # training uses seeds above 1 << 41
_WORDS: Final = "dog without cat"


def scenes(count: int = COUNT) -> list[Scene]:
    """The same for the same count."""
    return [crowded_scene(Random(_SEED + number), THINGS) for number in range(count)]


def write(folder: Path, drawn: list[Scene]) -> None:
    """The pictures, whose names say nothing, and `config.toml` with the demo's first and second model."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number, scene in enumerate(drawn):
        picture = Picture(scene, SIZES[number % len(SIZES)], "jpg")
        (pictures / f"{number:04d}.jpg").write_bytes(picture.encoded())
    values = {
        "data_dir": str((folder / "data").resolve()),
        "model.name": NAME,
        "model.pretrained": str(WEIGHTS),
        "model.folder": str(EXPORT),
        "model.config_file": str(CONFIG),
        "model.resize_mode": RESIZE_MODE,
        "rerank.kind": "blip",
        "rerank.name": str(MATCHING),
    }
    (folder / "config.toml").write_text(as_toml(values))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo.relations", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    folder = parser.parse_args().folder
    write(folder, scenes())
    shown = "\n".join(f"    {command}" for command in commands(folder))
    print(f"{COUNT} pictures are drawn. Index them, then ask with the second model and without:\n\n{shown}")


def commands(folder: Path) -> tuple[str, str, str]:
    """What to give next."""
    return (
        f"afterimage import --config {folder}/config.toml --as Relations {folder}/pictures",
        f'afterimage search --config {folder}/config.toml --explain "{_WORDS}"',
        f'AFTERIMAGE_RERANK_KIND=off afterimage search --config {folder}/config.toml "{_WORDS}"',
    )


if __name__ == "__main__":
    main()
