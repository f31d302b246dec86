"""Train the second model: `python -m sandbox.model.train_matching`. It takes two processor cores, and downloads
nothing.

It is BLIP's model for image-text matching, small: it reads a picture's patches together with the words, and says
whether they are true of it. It begins with the demo CLIP's eyes, which stay as they are, and with words that know where
to look (matching_start.py). Beside whether a statement is true it is taught how often the scene shows each thing that
the statement names, and where: one bit for a whole statement says little of what to look for.

Each core is a process of its own, with scenes of its own; their gradients are averaged at every step. Threads of one
process would wait for one another in every small matrix, and most of all where other work takes the cores, too.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn
from torch.nn import functional
from transformers import BlipForImageTextRetrieval

from sandbox.model import MATCHING, WEIGHTS
from sandbox.model.matching_pool import FORMS, NOTHING, MatchingPool, build, tokenizer
from sandbox.model.matching_start import READER_WIDTH, config, first_model, give_eyes, give_words, seen
from sandbox.model.training import SAVE_SECONDS, rate_at, save

_MARKED: Final = 1  # the layer of the reader whose tokens know of each thing
_COMPARED: Final = 2  # that whose first token knows how two things lie; the one above it reads what is said of that
_MOST: Final = 3  # figures of one thing
_SHOWN_WEIGHT: Final = 0.5
_SPOT_WEIGHT: Final = 4.0
_HELD: Final = 400  # scenes that are drawn beside the training's, to see how far it is
_AT_ONCE: Final = 100  # scenes, where nothing learns
_WEIGHTS: Final = "model.safetensors"
_REPORT_STEPS: Final = 25


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `minutes` of wall clock, `batch` scenes a step, peak learning rate `rate`."""

    minutes: float
    batch: int
    rate: float


class Marks(nn.Module):
    """What the reader's tokens must know of things (see MatchingPool). For training alone: nothing of it is shipped."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = nn.Linear(READER_WIDTH, _MOST + 1)
        self.spot = nn.Linear(READER_WIDTH, 2)
        self.apart = nn.Linear(READER_WIDTH, 2)

    def loss(self, read: dict[int, Tensor], row: dict[str, Tensor]) -> Tensor:
        """How often things are shown, and where, and how two lie: of what layers made of all tokens (`read`)."""
        named = row["shown"] != NOTHING
        often = functional.cross_entropy(self.shown(read[_MARKED][named]), row["shown"][named].long())
        where = _distance(self.spot, read[_MARKED], row["spot"].float())
        return _SHOWN_WEIGHT * often + _SPOT_WEIGHT * (
            where + _distance(self.apart, read[_COMPARED], row["apart"].float())
        )


def _distance(head: nn.Linear, read: Tensor, wanted: Tensor) -> Tensor:
    """The mean square, where something is wanted."""
    known = ~wanted[..., 0].isnan()
    return functional.mse_loss(head(read[known]), wanted[known])


class Reader:
    """The model's reader over rows that hold several statements each: none of them reads the others."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._made: dict[int, Tensor] = {}
        for number in (_MARKED, _COMPARED):
            layer = model.text_encoder.encoder.layer[number]
            layer.register_forward_hook(lambda _module, _given, made, number=number: self._made.update({number: made}))

    def read(self, tokens: Tensor, row: dict[str, Tensor]) -> tuple[Tensor, dict[int, Tensor]]:
        """Logits (B, T, 2), which count at the first tokens of statements, and what layers _MARKED and _COMPARED made
        of all tokens (B, T, READER_WIDTH). `tokens` are what the eyes made of the pictures.
        """
        apart = row["statement"][:, :, None] != row["statement"][:, None, :]
        mask = torch.zeros(apart.shape).masked_fill_(apart, torch.finfo(torch.float32).min)[:, None]
        read = self._model.text_encoder(
            input_ids=row["tokens"],
            position_ids=row["position"],
            attention_mask=mask,
            encoder_hidden_states=tokens.float(),
        )[0]
        return self._model.itm_head(read), self._made


def row_of(pool: MatchingPool, chosen: np.ndarray, row: np.ndarray) -> dict[str, Tensor]:
    """One row of each of these scenes."""
    names = ("tokens", "statement", "position", "true", "form", "shown", "spot", "apart")
    found = {name: torch.from_numpy(getattr(pool, name)[chosen, row]) for name in names}
    return found | {"tokens": found["tokens"].long(), "position": found["position"].long()}


@torch.no_grad()
def right(reader: Reader, tokens: Tensor, pool: MatchingPool) -> dict[str, float]:
    """The share of statements that the model takes for what they are, by their form, and of all. `tokens`: what the
    eyes made of the pool's pictures.
    """
    found: dict[str, list[bool]] = defaultdict(list)
    for at in range(0, len(tokens), _AT_ONCE):
        chosen = np.arange(at, min(at + _AT_ONCE, len(tokens)))
        row = row_of(pool, chosen, np.zeros(len(chosen), np.int64))
        logits = reader.read(tokens[chosen], row)[0]
        asked = row["true"] != NOTHING
        correct = (logits[asked].argmax(-1) == row["true"][asked]).tolist()
        for form, was_right in zip(row["form"][asked].tolist(), correct, strict=True):
            found[FORMS[form].value].append(was_right)
            found["all"].append(was_right)
    return {form: round(float(np.mean(answers)), 3) for form, answers in sorted(found.items())}


def write_folder(model: BlipForImageTextRetrieval, out: Path, said: dict[str, object]) -> None:
    """The folder as transformers reads it, and `manifest.json` with the hash of the weights and what `said` says."""
    out.mkdir(exist_ok=True)
    model.config.save_pretrained(out)
    tokenizer().save_pretrained(out)
    weights = out / _WEIGHTS
    save(model, weights)
    manifest = {
        "weights": {"file": weights.name, "sha256": sha256(weights.read_bytes()).hexdigest()},
        "began_with": sha256(WEIGHTS.read_bytes()).hexdigest(),
        "licence": "MIT, as this project; the glyphs it saw are under the SIL Open Font License 1.1",
        **said,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def share(model: nn.Module) -> None:
    """Every process gets the first one's weights."""
    for parameter in model.parameters():
        distributed.broadcast(parameter.data, 0)


def average_gradients(learning: Sequence[nn.Parameter]) -> None:
    """Every process gets the mean of all processes' gradients."""
    together = torch.cat([parameter.grad.flatten() for parameter in learning if parameter.grad is not None])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    at = 0
    for parameter in learning:
        if parameter.grad is not None:
            parameter.grad.copy_(together[at : at + parameter.grad.numel()].view_as(parameter.grad))
            at += parameter.grad.numel()


def train(plan: Plan, pool: MatchingPool, held: MatchingPool, out: Path, start: Path | None, seed: int = 0) -> None:
    """Train for `plan.minutes`; the first process writes the folder `out`, also every few minutes during training.
    Continue from the folder `start` if it is given. To be called in each process of a group, with a pool of its own.
    """
    first = distributed.get_rank() == 0
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, distributed.get_rank()])
    model: Any = BlipForImageTextRetrieval(config())
    marks = Marks()
    clip = first_model() if first else None
    if first:
        give_eyes(model, clip, pool.pixels[:_AT_ONCE])
    share(model.vision_model)
    model.vision_model.requires_grad_(requires_grad=False)
    tokens = seen(model, pool.pixels)
    if first:
        give_words(model, clip, tokens, pool)
    if start:
        model.load_state_dict(load_file(start / _WEIGHTS))
    share(model)
    share(marks)
    reader, learning = Reader(model), [*(p for p in model.parameters() if p.requires_grad), *marks.parameters()]
    held_tokens = seen(model, held.pixels) if first else tokens
    optimizer = _optimizer(learning)
    began = saved = time.monotonic()
    step, drifting, done = 0, np.zeros(2), torch.zeros(1)
    while True:
        done[0] = (time.monotonic() - began) / (plan.minutes * 60)
        distributed.broadcast(done, 0)  # all end at the same step
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan.rate, step, float(done))
        chosen = rng.integers(0, len(tokens), plan.batch)
        row = row_of(pool, chosen, rng.integers(0, pool.tokens.shape[1], plan.batch))
        logits, made = reader.read(tokens[chosen], row)
        asked = row["true"] != NOTHING
        match = functional.cross_entropy(logits[asked], row["true"][asked].long())
        losses = torch.stack((match, marks.loss(made, row)))
        losses.sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        average_gradients(learning)
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        drifting += losses.detach().numpy()
        if first and step % _REPORT_STEPS == 0:
            losses_text = "match {:.3f}, things {:.3f}".format(*(drifting / _REPORT_STEPS))
            drifting[:] = 0
            print(f"{step} steps, {time.monotonic() - began:.0f} s: {losses_text}", flush=True)
        if first and time.monotonic() - saved > SAVE_SECONDS:
            _keep(model, right(reader, held_tokens, held), out, plan, step)
            saved = time.monotonic()
    if first:
        _keep(model, right(reader, held_tokens, held), out, plan, step)


def _keep(model: BlipForImageTextRetrieval, found: dict[str, float], out: Path, plan: Plan, step: int) -> None:
    print(f"right of held-out statements: {found}; processor {time.process_time():.0f} s", flush=True)
    said = {
        "steps": step,
        "scenes_a_step": plan.batch,
        "processor_s": round(time.process_time()),
        "right_of_held_out_statements": found,
    }
    write_folder(model, out, said)


def _optimizer(learning: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW; only matrices get weight decay."""
    groups = [
        {"params": [parameter for parameter in learning if parameter.ndim > 1], "weight_decay": 0.05},
        {"params": [parameter for parameter in learning if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def work(rank: int, meeting: str, args: argparse.Namespace) -> None:
    """One of the processes: draws its share of the scenes, and trains with the others. They meet at a file."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.processes)
    began, scenes = time.monotonic(), args.scenes // args.processes
    pool, held = build(scenes, start=_HELD + args.drawn_before + rank * scenes), build(_HELD if rank == 0 else 0)
    print(f"{scenes} scenes drawn in {time.monotonic() - began:.0f} s", flush=True)
    train(Plan(args.minutes, args.batch // args.processes, args.rate), pool, held, args.out, args.start)
    distributed.destroy_process_group()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the second model.")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--scenes", type=int, default=4_000)
    parser.add_argument(
        "--drawn-before", type=int, default=0, help="scenes of an earlier run, so that others are drawn"
    )
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=MATCHING)
    parser.add_argument("--start", type=Path, default=None)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ranks = range(args.processes)
        working = [context.Process(target=work, args=(rank, f"{folder}/meeting", args)) for rank in ranks]
        for process in working:
            process.start()
        for process in working:
            process.join()
    if any(process.exitcode for process in working):
        raise SystemExit("the training ended with an error")


if __name__ == "__main__":
    main()
