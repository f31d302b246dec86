"""BLIP as it describes pictures. Blocking; one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from indexer.encode.on_transformers.preparation import Preparation, all_of
from indexer.encode.protocol import Caption, Choice
from indexer.records.pictures import Pixels

MOST_TOKENS = 30  # of a caption; the captions of its training have 10 to 15


class BlipCaptioner:
    """BlipForConditionalGeneration. Of the words that may come next it always takes the likeliest.

    `choice` says how it runs, once that is settled.
    """

    choice: Choice

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.dtype = torch.float32
        self._prepare = Preparation(device)

    def to(self, dtype: torch.dtype) -> None:
        """Converts the vision part alone: what writes the words stays exact."""
        self.model.vision_model.to(dtype=dtype)
        self.dtype = dtype

    @torch.inference_mode()
    def captions(self, frames: Sequence[Pixels]) -> list[Caption]:
        """One of each frame, in order. The confidence is the geometric mean of its tokens' probabilities."""
        tokens = self.model.vision_model(pixel_values=self._prepare(frames, self.dtype))[0].float()
        words = self.model.config.text_config
        written = self.model.text_decoder.generate(
            input_ids=torch.full((len(frames), 1), words.bos_token_id, device=tokens.device),
            eos_token_id=words.sep_token_id,
            pad_token_id=words.pad_token_id,
            encoder_hidden_states=tokens,
            encoder_attention_mask=all_of(tokens),
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_logits=True,
        )
        chosen = written.sequences[:, 1:]
        likely = torch.stack(written.logits, dim=1).float().log_softmax(dim=-1)
        of_chosen = likely.gather(2, chosen[:, :, None])[:, :, 0]
        ends = chosen.eq(words.sep_token_id).int()
        kept = (ends.cumsum(dim=1) - ends).eq(0)  # behind the end of a caption stands what fills the batch
        sure = of_chosen.masked_fill(~kept, 0.0).sum(dim=1).div(kept.sum(dim=1)).exp()
        texts = self.tokenizer.batch_decode(chosen, skip_special_tokens=True)
        return list(zip(texts, sure.tolist(), strict=True))
