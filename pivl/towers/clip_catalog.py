"""CLIPs by name: every ResNet and ViT of open_clip's own, as its model configurations describe them.

The configurations are read where they lie in the installed package. Importing open_clip takes seconds, which a table
or a list of names need not spend.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pivl.towers.architecture import (
    HEAD_WIDTH,
    Activation,
    ClipArchitecture,
    TextArchitecture,
    VisionArchitecture,
)
from pivl.towers.vocabulary import Vocabulary

OPENAI = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336")
QUICK = "-quickgelu"
OF_A_CLIP = {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}
OF_VISION = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
OF_TEXT = {"context_length", "vocab_size", "width", "heads", "layers"}


@dataclass(frozen=True)
class NamedClip:
    """A CLIP's definition in open_clip, by its name there, and whether OpenAI published weights for it."""

    definition: str
    architecture: ClipArchitecture
    openai: bool


@cache
def named_clips() -> Mapping[str, NamedClip]:
    """Returns every CLIP that these towers compute, OpenAI's first, by the name that is typed: lower case.

    OpenAI's names mean the -quickgelu definitions, which its weights were trained with; with -gelu behind them,
    open_clip's plain ones, which others trained. All other names mean what they mean in open_clip.
    """
    described = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in _configurations()}
    clips = {}
    for name in sorted(filter(lambda name: _is_ours(described[name]), described), key=_rank):
        plain = name.removesuffix(QUICK)
        typed = plain if name != plain else f"{name}-gelu"
        openai = plain in OPENAI
        architecture = read_configuration(described[name])
        clips[(typed if openai else name).lower()] = NamedClip(name, architecture, openai and name != plain)
    return clips


def plain_name(name: str) -> str:
    """The name of `named_clips` for one in any spelling: ViT-B/16, ViT-B-16 and vit-b-16-quickgelu are vit-b-16."""
    typed = name.lower().replace("/", "-")
    plain = typed.removesuffix(QUICK)
    return plain if plain in map(str.lower, OPENAI) else typed


def read_configuration(described: Mapping[str, Any]) -> ClipArchitecture:
    """Returns the architecture in one of open_clip's model configurations."""
    vision, text, embed_dim = described["vision_cfg"], described["text_cfg"], described["embed_dim"]
    activation: Activation = "quick_gelu" if described.get("quick_gelu") else "gelu"
    width, is_resnet = vision["width"], isinstance(vision["layers"], list)
    return ClipArchitecture(
        VisionArchitecture(
            "resnet" if is_resnet else "vit",
            tuple(vision["layers"]) if is_resnet else (vision["layers"],),
            width,
            (32 * width if is_resnet else width) // vision.get("head_width", HEAD_WIDTH),
            embed_dim,
            vision["patch_size"],
            None if is_resnet else int(width * vision.get("mlp_ratio", 4)),
            activation,
        ),
        TextArchitecture(
            text["layers"],
            text["width"],
            text["heads"],
            embed_dim,
            text["context_length"],
            text["vocab_size"],
            activation,
        ),
    )


def _configurations() -> list[Path]:
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ImportError("open_clip is not installed")
    return sorted((Path(spec.origin).parent / "model_configs").glob("*.json"))


def _is_ours(described: Mapping[str, Any]) -> bool:
    """Returns whether a configuration says nothing but what makes one of OpenAI's towers larger or smaller."""
    vision, text = described["vision_cfg"], described["text_cfg"]
    known = described.keys() <= OF_A_CLIP and vision.keys() <= OF_VISION and text.keys() <= OF_TEXT
    return known and text["vocab_size"] == Vocabulary.FULL_SIZE


def _rank(name: str) -> tuple[int, str]:
    """Returns where a definition stands in the list: OpenAI's own, then the rest by name."""
    plain = name.removesuffix(QUICK)
    return (OPENAI.index(plain) if plain in OPENAI and name != plain else len(OPENAI)), name.lower()
