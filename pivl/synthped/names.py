"""The names and the shipped files of the embedded benchmark; importing them loads no torch."""

from pathlib import Path

EMBEDDED_SETS = ("synthped", "synthped-mini")
PARSERS = ("parser-s", "parser-m", "parser-l")
STUDENT = "mobilenetv2-0.25"  # the paper's
CLIP_WEIGHTS = Path(__file__).with_name("tiny_clip.safetensors")
STUDENT_WEIGHTS = Path(__file__).with_name("student.safetensors")
