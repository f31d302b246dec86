"""A BLIP for captions that is as small as can be, with random weights, in a folder as the hub has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZE = 32  # pixels, in patches of 8: 16 tokens and the one that stands for all
WORDS = "a cat dog kite red blue of on in the left big small"
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(" "))


def write(folder: Path) -> Path:
    """Configuration, weights, tokenizer. Imports torch."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    of_both: dict[str, Any] = {
        "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    words = {
        **of_both, "vocab_size": len(VOCABULARY), "encoder_hidden_size": 24, "max_position_embeddings": 48,
        "pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "is_decoder": True,
    }  # fmt: skip
    vision = {**of_both, "image_size": SIZE, "patch_size": 8}
    torch.manual_seed(7)
    model = transformers.BlipForConditionalGeneration(
        transformers.BlipConfig(vision_config=vision, text_config=words, image_text_hidden_size=12)
    )
    for weights in model.parameters():  # as they are made, they are so small that all pictures are one
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(folder)
    return folder
