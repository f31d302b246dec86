"""`[model]`: which CLIP model runs, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which CLIP model runs, and on which device."""

    name: Annotated[str, About("An open_clip architecture, or the stem of `config_file`.")] = "ViT-B-32-SigLIP2-256"
    pretrained: Annotated[str, About("An open_clip tag, or the path of a checkpoint.")] = "webli"
    config_file: Annotated[Path | None, About("A custom open_clip model config (JSON); empty: none.")] = None
    resize_mode: Annotated[
        str,
        About(
            "How a picture becomes the model's square; auto: as open_clip knows it of the weights.",
            choices=("auto", "shortest", "squash", "longest"),
        ),
    ] = "auto"
    cache_dir: Annotated[
        Path | None, About("Where downloaded weights lie; empty: the hub's own default, or HF_HOME.")
    ] = None
    device: Annotated[
        str, About("Where the model runs; auto takes the best there is.", choices=("auto", "cpu", "cuda", "mps"))
    ] = "auto"
    precision: Annotated[
        str,
        About(
            "auto: bfloat16 where the processor has it and the result agrees with float32 (float16 on cuda). int8:"
            " by openvino, calibrated on the first pictures that are indexed, and used once it has passed on others.",
            choices=("auto", "float32", "bfloat16", "int8"),
        ),
    ] = "auto"
    batch_size: Annotated[
        int, About("Pictures a batch; small, so that a query waits for one batch only.", "pictures", low=1, high=1024)
    ] = 8
    runtime: Annotated[
        str,
        About(
            "What runs the model. openvino: on the processor, from an export that is made once; torch: on a GPU, or on"
            " the processor where no export can be made. auto: whichever fits the device. ray: encoders of a cluster,"
            " see the table `ray`, and this machine as auto where they are away.",
            choices=("auto", "openvino", "torch", "ray"),
        ),
    ] = "auto"
    folder: Annotated[
        Path | None,
        About(
            "A folder with an exported model, which then needs neither torch nor a download; `name`, `pretrained` and"
            " `config_file` are not asked. Empty: an export is made of the model that they name."
        ),
    ] = None
    export_dir: Annotated[
        Path | None, About("Where exports of models are kept; empty: the folder `models` of the data folder.")
    ] = None
    streams: Annotated[
        int,
        About("Batches at once on the processor, by openvino; 0: as a trial finds best.", "batches", low=0, high=8),
    ] = 0
    threads: Annotated[
        int, About("CPU threads for the model; 0: the runtime's own choice.", "threads", low=0, high=512)
    ] = 0
    idle_s: Annotated[
        float,
        About(
            "After how long without a question or a picture the model's process goes, and its memory with it; the next"
            " question brings it back. 0: never.",
            "seconds",
            low=0,
        ),
    ] = 900.0

    @property
    def local_folder(self) -> Path | None:
        """The folder that `name` names by open_clip's prefix: weights and configuration are read from there."""
        prefix = "local-dir:"
        return Path(self.name.removeprefix(prefix)) if self.name.startswith(prefix) else None
