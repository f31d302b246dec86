"""The second model before its training: the demo CLIP's eyes, and a reader that knows where to look for a word.

BLIP's vision part is CLIP's but for one normalization before the first layer, which is folded into the embedding with
the spread that patches have on average. What each patch of a drawn scene shows is known. So a linear map from patches
to the CLIP's vectors of words is had without any training, by least squares. It becomes the keys of the reader's
attention to the picture: a word looks at the patches that show what it says.
"""

from typing import Any, Final

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from transformers import BlipConfig, BlipForImageTextRetrieval, BlipTextConfig, BlipVisionConfig
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from sandbox.drawing.concepts import CONCEPTS
from sandbox.model import CONFIG, NAME, WEIGHTS
from sandbox.model.matching_pool import NOTHING, PATCH, SIDE, UNCLEAR, MatchingPool, vocabulary

WIDTH: Final = 192  # of the CLIP's vision part, and so on
LAYERS: Final = 6
HEAD: Final = 64
READER_WIDTH: Final = 128
READER_LAYERS: Final = 4
READER_HEADS: Final = 4

_AT_ONCE: Final = 256  # pictures
_LOOK: Final = 5.0  # a word's logit for a patch that shows it, on average; for other patches it is near 0
_MEAN: Final = torch.tensor(OPENAI_CLIP_MEAN)[:, None, None]
_STD: Final = torch.tensor(OPENAI_CLIP_STD)[:, None, None]


def config() -> BlipConfig:
    """As transformers has it in config.json."""
    words = vocabulary()
    text = BlipTextConfig(
        vocab_size=len(words),
        hidden_size=READER_WIDTH,
        encoder_hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=3 * READER_WIDTH,
        num_hidden_layers=READER_LAYERS,
        num_attention_heads=READER_HEADS,
        max_position_embeddings=64,  # as many as `matchers.MOST_TOKENS`
        layer_norm_eps=1e-6,
        pad_token_id=words["[PAD]"],
        bos_token_id=words["[CLS]"],
        sep_token_id=words["[SEP]"],
        eos_token_id=words["[SEP]"],
    )
    vision = BlipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=WIDTH // HEAD,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=WIDTH,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )
    return BlipConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH, image_text_hidden_size=WIDTH
    )


def normalized(pixels: np.ndarray) -> Tensor:
    """uint8 (B, SIDE, SIDE, 3) → float32 (B, 3, SIDE, SIDE), as the matchers of the indexer give it to the model."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255) - _MEAN) / _STD


@torch.no_grad()
def seen(model: BlipForImageTextRetrieval, pixels: np.ndarray) -> Tensor:
    """What the eyes make of uint8 (N, SIDE, SIDE, 3): float16 (N, 1 + patches, WIDTH)."""
    parts = (pixels[at : at + _AT_ONCE] for at in range(0, len(pixels), _AT_ONCE))
    return torch.cat([model.vision_model(pixel_values=normalized(part))[0].half() for part in parts])


def first_model() -> Any:
    """The demo CLIP."""
    open_clip.add_model_config(CONFIG)
    return open_clip.create_model(NAME, pretrained=str(WEIGHTS)).eval()


@torch.no_grad()
def give_eyes(model: Any, clip: Any, pixels: np.ndarray) -> None:
    """The CLIP's vision part becomes the model's. `pixels`: some pictures, which show how far patches are spread."""
    pictures = normalized(pixels)
    given, vision = clip.visual.state_dict(), model.vision_model
    into = vision.embeddings
    patches = clip.visual.conv1(pictures).flatten(2).transpose(1, 2)  # (B, patches, WIDTH)
    positions = given["positional_embedding"]
    spread = (patches + positions[1:]).std(dim=-1, unbiased=False).mean()
    gain, shift = given["ln_pre.weight"], given["ln_pre.bias"]

    def folded(rows: Tensor, by: Tensor) -> Tensor:
        """Rows (…, WIDTH) that are added up to a token, of which the sum is to be normalized."""
        made: Tensor = (rows - rows.mean(dim=-1, keepdim=True)) / by * gain
        return made

    weights = given["conv1.weight"].flatten(1).T  # (3 · PATCH², WIDTH)
    into.patch_embedding.weight.copy_(folded(weights, spread).T.reshape(given["conv1.weight"].shape))
    into.patch_embedding.bias.zero_()
    into.position_embedding[0, 1:] = folded(positions[1:], spread) + shift
    into.position_embedding[0, 0] = shift
    whole = given["class_embedding"] + positions[0]
    into.class_embedding[0, 0] = folded(whole, whole.std(unbiased=False))
    for number, layer in enumerate(vision.encoder.layers):
        for ours, theirs in _SAME.items():
            layer.get_parameter(ours).copy_(given[f"transformer.resblocks.{number}.{theirs}"])
    vision.post_layernorm.weight.copy_(given["ln_post.weight"])
    vision.post_layernorm.bias.copy_(given["ln_post.bias"])
    model.vision_proj.weight.copy_(given["proj"].T)
    model.vision_proj.bias.zero_()


@torch.no_grad()
def give_words(model: Any, clip: Any, tokens: Tensor, pool: MatchingPool) -> None:
    """A word begins as the mean of the things whose names have it, and looks for them in every layer.

    `tokens` are what the model's eyes make of the pool's pictures.
    """
    names = [(word, number) for number, concept in enumerate(CONCEPTS) for word in concept.words]
    read = open_clip.get_tokenizer(NAME)
    vectors = torch.cat([clip.encode_text(read([word]), normalize=True) for word, _ in names])
    vectors = vectors - vectors.mean(0)
    numbers = torch.tensor([number for _, number in names])
    things = torch.stack([vectors[numbers == number].mean(0) for number in range(len(CONCEPTS))])
    main = torch.linalg.svd(vectors, full_matrices=False).Vh[:READER_WIDTH]  # the directions that tell words apart most
    table = model.text_encoder.embeddings.word_embeddings.weight
    for word, at in vocabulary().items():
        having = torch.tensor([word in name.replace("-", " ").split() for name, _ in names])
        if having.any():
            table[at] = main @ vectors[having].mean(0)
    side = READER_WIDTH // READER_HEADS
    keys, shift = _map(tokens, things @ main[:side].T, pool)
    looks = nn.functional.layer_norm(things @ main.T, (READER_WIDTH,))[:, :side]  # of a word on its way to the keys
    clear = torch.from_numpy(pool.drawn) >= 0
    shown = torch.from_numpy(pool.drawn)[clear].long()
    logits = (looks[shown] * (tokens[:, 1:][clear].float() @ keys.T + shift)).sum(-1)
    scale = _LOOK * side**0.5 / logits.mean()
    for layer in model.text_encoder.encoder.layer:
        attention = layer.crossattention
        attention.self.query.weight.zero_()
        for head in range(READER_HEADS):  # all heads begin by looking at one place, each for something else
            rows = slice(head * side, (head + 1) * side)
            attention.self.query.weight[rows, :side] = scale * torch.eye(side)
            attention.self.key.weight[rows] = keys
            attention.self.key.bias[rows] = shift
        nn.init.xavier_normal_(attention.self.value.weight)
        nn.init.xavier_normal_(attention.output.dense.weight)


def _map(tokens: Tensor, things: Tensor, pool: MatchingPool) -> tuple[Tensor, Tensor]:
    """Weights (D, WIDTH) and shift (D,) that take a patch to the row of `things` (concepts, D) that it shows, and a
    patch that shows none to 0: by least squares.
    """
    drawn = torch.from_numpy(pool.drawn).long()
    clear = drawn != UNCLEAR
    given = tokens[:, 1:][clear].float()
    given = torch.cat([given, torch.ones(len(given), 1)], dim=1)
    wanted = things[drawn[clear].clamp(min=0)] * (drawn[clear] != NOTHING)[:, None]
    found = torch.linalg.solve(given.T @ given + torch.eye(WIDTH + 1), given.T @ wanted)
    return found[:WIDTH].T, found[WIDTH]


_SAME: Final = {
    "layer_norm1.weight": "ln_1.weight",
    "layer_norm1.bias": "ln_1.bias",
    "self_attn.qkv.weight": "attn.in_proj_weight",
    "self_attn.qkv.bias": "attn.in_proj_bias",
    "self_attn.projection.weight": "attn.out_proj.weight",
    "self_attn.projection.bias": "attn.out_proj.bias",
    "layer_norm2.weight": "ln_2.weight",
    "layer_norm2.bias": "ln_2.bias",
    "mlp.fc1.weight": "mlp.c_fc.weight",
    "mlp.fc1.bias": "mlp.c_fc.bias",
    "mlp.fc2.weight": "mlp.c_proj.weight",
    "mlp.fc2.bias": "mlp.c_proj.bias",
}
"""Parameters of a layer of BLIP, and of one of open_clip's."""
