"""Reads a folder of pictures as rclip does: its own code from its package, with our network where it downloads its own.

Runs in rclip's own environment, which has neither torch nor this project (`.venv-rclip`, made by `make bench-encode`):
`python rclip_index.py FOLDER ONNX_FILE` says "ready", waits for a line, says the seconds.
"""

import sys
import tempfile
import time
from pathlib import Path

from rclip import db, model, model_download
from rclip.main import RClip

BATCH = 8  # its own default


def main(folder: str, onnx_file: str) -> None:
    model_download.download_visual_query_model = lambda: onnx_file
    with tempfile.TemporaryDirectory() as data:
        network = model.Model()
        with tempfile.TemporaryDirectory() as few:
            for path in sorted(Path(folder).iterdir())[:4]:
                (Path(few) / path.name).write_bytes(path.read_bytes())
            # A database of its own: what is known by its bytes is not encoded again.
            RClip(network, db.DB(Path(data) / "warm.sqlite3"), BATCH, None).ensure_index(few)
        database = db.DB(Path(data) / "db.sqlite3")
        index = RClip(network, database, BATCH, None)
        print("ready", flush=True)
        sys.stdin.readline()
        began_s = time.perf_counter()
        index.ensure_index(folder)
        seconds = time.perf_counter() - began_s
        count = sum(1 for _ in database.get_image_vectors_by_dir_path(folder))
        assert count == len(list(Path(folder).iterdir())), f"it read {count} pictures"
        print(seconds, flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
