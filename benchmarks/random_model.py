"""A model of ViT-B-32-256's shape with random weights, written to a file and opened like any checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

MODEL: Final = "ViT-B-32-256"
SIZE: Final = 256
GFLOP: Final = 11.5  # of one picture, by the shapes of its matrix products


def random_model() -> Any:
    import open_clip  # torch comes in here, after a benchmark has said how its threads wait, as in the bot
    import torch

    torch.manual_seed(0)
    return open_clip.create_model(MODEL).eval()


def random_checkpoint(folder: Path) -> Path:
    from safetensors.torch import save_file

    path = folder / f"{MODEL}.safetensors"
    save_file(random_model().state_dict(), path)
    return path


def write_onnx(model: Any, path: Path) -> None:
    """The network for pictures in the form that rclip downloads: float32 [n, 3, 256, 256] → [n, 512], of any length."""
    import torch

    torch.onnx.export(
        model.visual,
        (torch.zeros(2, 3, SIZE, SIZE),),
        str(path),
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
        dynamo=False,
    )
