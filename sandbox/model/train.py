"""Train the demo CLIP: `python -m sandbox.model.train`. It takes two processor cores and an hour, and downloads
nothing.

Two things are learnt together. For words and pictures: the contrastive loss of CLIP. Every true pair of the batch
counts as a match, because the drawings know what they show. For re-posts: a contrastive loss between each picture and
an edited copy of it. Both losses see half of each picture's patches (FLIP, arXiv 2212.00794). This halves the cost and
prepares the model for crops. The last part of a run sees all patches.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from sandbox.drawing.concepts import CONCEPTS
from sandbox.model import CONFIG, NAME, WEIGHTS, views
from sandbox.model.pool import TRAITS, Pool, build
from sandbox.model.training import SAVE_SECONDS, rate_at, save

_MEAN: Final = torch.tensor(open_clip.OPENAI_DATASET_MEAN)[:, None, None]
_STD: Final = torch.tensor(open_clip.OPENAI_DATASET_STD)[:, None, None]
_EDITED: Final = 64  # pictures of a batch that also get an edited copy: the model learns re-posts sooner than words
_REPOST_WEIGHT: Final = 0.3
_IMAGE_SCALE: Final = 14.0  # 1 / temperature of the re-post loss
_TOP_SCALE: Final = 60.0  # upper limit of the learnt 1 / temperature of the words loss
_FRAMES: Final = 400
_REPORT_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `minutes` of wall clock, `batch` scenes a step, peak learning rate `rate`.

    `drop` is the share of patches dropped, `unmasked` the last share of the run, which drops none.
    """

    minutes: float
    batch: int
    rate: float
    drop: float
    unmasked: float


class HalfCopy:
    """bfloat16 working copy of a float32 model: forward and backward cost half, and the optimizer keeps full precision.

    (Autocast would need less code, but uses a slow path of attention on processors.)
    """

    def __init__(self, full: nn.Module, twin: Any) -> None:
        self.half = twin.to(torch.bfloat16).train()
        self._pairs = [
            (parameter, half)
            for (name, parameter), half in zip(full.named_parameters(), self.half.parameters(), strict=True)
            if name != "logit_scale"  # used directly in float32, so its gradient is already in the right place
        ]
        self.refresh()

    def refresh(self) -> None:
        """Copy the full weights into the working copy."""
        with torch.no_grad():
            for full, half in self._pairs:
                half.copy_(full)

    def gradients(self) -> None:
        """Move the working copy's gradients to the full model."""
        for full, half in self._pairs:
            full.grad = None if half.grad is None else half.grad.float()
            half.grad = None


def words_loss(image: Tensor, text: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Contrastive loss in both directions over unit vectors `image` (I, D) and `text` (T, D).

    `true` (I, T) is 1 where the words are true for the picture, else 0. Texts that are true for no picture only repel.
    """
    logits = scale * image @ text.T
    text_counts, shown = true.sum(1), true.sum(0)
    image_loss = -(logits.log_softmax(1) * true).sum(1) / text_counts.clamp(min=1)
    back = -(logits.log_softmax(0) * true).sum(0) / shown.clamp(min=1)
    return (image_loss.sum() / (text_counts > 0).sum() + back.sum() / (shown > 0).sum()) / 2


def repost_loss(plain: Tensor, edited: Tensor) -> Tensor:
    """NT-Xent over 2 B unit vectors: each picture's only match is its edited copy."""
    both = torch.cat((plain, edited))
    logits = (_IMAGE_SCALE * both @ both.T).fill_diagonal_(-torch.inf)
    count = len(plain)
    return functional.cross_entropy(logits, torch.arange(2 * count).roll(count))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Every concept by each of its words: `tokens` int64 (W, context); `concept` int64 (W,), rows of TRAITS."""

    tokens: Tensor
    concept: Tensor

    @classmethod
    def of_concepts(cls) -> "Lexicon":
        """The lexicon of CONCEPTS."""
        entries = [(word, TRAITS.index(concept.id)) for concept in CONCEPTS for word in concept.words]
        tokenizer = open_clip.get_tokenizer(NAME)
        return cls(tokenizer([word for word, _ in entries]), torch.tensor([trait for _, trait in entries]))


def batch_of(pool: Pool, by_first: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """Scene numbers.
    Half of those that get edited copies share their first concept with another one: these are hard cases.
    """
    chosen = rng.integers(0, len(pool.pixels), size)
    half = min(_EDITED, size) // 2
    chosen[half : 2 * half] = [rng.choice(by_first[pool.first[scene]]) for scene in chosen[:half]]
    return chosen


def step_loss(
    model: Any,
    scale: Tensor,
    pool: Pool,
    chosen: np.ndarray,
    around: views.Frames,
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> Tensor:
    """Captions loss, names loss and re-post loss of one batch, weighted, as a vector of the three."""
    count, edited = len(chosen), min(_EDITED, len(chosen))
    pictures = torch.from_numpy(pool.pixels[chosen]).permute(0, 3, 1, 2).float().div_(255)
    edited_pictures = views.edited(pictures[:edited], torch.from_numpy(pool.aspect[chosen[:edited]]), around)
    both = torch.cat((views.mild(pictures), edited_pictures))
    image = functional.normalize(model.encode_image(((both - _MEAN) / _STD).bfloat16()).float(), dim=-1)
    wording = rng.integers(0, pool.tokens.shape[1], count)
    tokens = torch.cat((torch.from_numpy(pool.tokens[chosen, wording]), lexicon.tokens))
    text = functional.normalize(model.encode_text(tokens).float(), dim=-1)
    has = torch.from_numpy(pool.traits[chosen]).float()
    needs = torch.from_numpy(pool.needs[chosen, wording]).float()
    captions = words_loss(image[:count], text[:count], (has @ needs.T >= needs.sum(1)).float(), scale)
    names = words_loss(image[:count], text[count:], has[:, lexicon.concept], scale)
    return torch.stack((captions, names, _REPOST_WEIGHT * repost_loss(image[:edited], image[count:])))


def optimizer_of(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW; only matrices get weight decay."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def train(plan: Plan, pool: Pool, out: Path, start: Path | None, seed: int = 0) -> None:
    """Train for `plan.minutes` and write `out`, also every few minutes during training.
    Continue from `start` if it is given.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = open_clip.create_model(NAME)
    if start:
        model.load_state_dict(load_file(start))
    pair = HalfCopy(model, open_clip.create_model(NAME, force_patch_dropout=plan.drop))
    optimizer = optimizer_of(model, plan.rate)
    around, lexicon = views.frames(_FRAMES, seed), Lexicon.of_concepts()
    order = np.argsort(pool.first, kind="stable")
    by_first = np.split(order, np.cumsum(np.bincount(pool.first))[:-1])
    began = saved = time.monotonic()
    step, drifting = 0, np.zeros(3)
    while (done := (time.monotonic() - began) / (plan.minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan.rate, step, done)
        pair.half.visual.patch_dropout.prob = plan.drop if done < 1 - plan.unmasked else 0.0
        scale = model.logit_scale.exp().clamp(max=_TOP_SCALE)
        losses = step_loss(pair.half, scale, pool, batch_of(pool, by_first, plan.batch, rng), around, lexicon, rng)
        losses.sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        pair.gradients()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        pair.refresh()
        step += 1
        drifting += losses.detach().numpy()
        if step % _REPORT_STEPS == 0:
            captions, names, reposts = drifting / _REPORT_STEPS
            drifting[:] = 0
            losses_text = f"captions {captions:.3f}, names {names:.3f}, re-posts {reposts:.3f}, scale {scale:.1f}"
            print(f"{step} steps, {time.monotonic() - began:.0f} s: {losses_text}", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            save(model, out)
            saved = time.monotonic()
    save(model, out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the demo CLIP.")
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=160)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--drop", type=float, default=0.5)
    parser.add_argument("--unmasked", type=float, default=0.45)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--start", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(2)
    open_clip.add_model_config(CONFIG)
    began = time.monotonic()
    pool = build(args.scenes, open_clip.get_model_config(NAME)["text_cfg"]["context_length"], workers=2)
    print(f"{args.scenes} scenes drawn in {time.monotonic() - began:.0f} s", flush=True)
    plan = Plan(args.minutes, args.batch, args.rate, args.drop, args.unmasked)
    train(plan, pool, args.out, args.start)


if __name__ == "__main__":
    main()
