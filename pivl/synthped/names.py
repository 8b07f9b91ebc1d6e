"""The names and the shipped files of the embedded benchmark; importing them loads no torch."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

EMBEDDED_SETS = ("synthped", "synthped-mini")
PARSERS = ("parser-s", "parser-m", "parser-l")
STUDENT = "mobilenetv2-0.25"  # the paper's
CLIPS: Mapping[str, Path] = MappingProxyType(  # by their names
    {
        name: Path(__file__).with_name(f"{file}.safetensors")
        for name, file in (("tiny", "tiny_clip"), ("tiny-global", "tiny_global"), ("tiny-vit", "tiny_vit"))
    }
)
CLIP_WEIGHTS: Mapping[str, Path] = MappingProxyType(  # by backbone: one CLIP may serve several
    {**CLIPS, "tiny-vit-sie-olp": CLIPS["tiny-vit"]}
)
STUDENT_WEIGHTS = Path(__file__).with_name("student.safetensors")
