"""Every study and preset by the name that is typed for it, and the studies that `all` stands for."""

from studies.ablation import ABLATION
from studies.choices import CHOICES
from studies.comparison import COMPARISON
from studies.controls import CONTROLS, TOKEN_CONTROLS
from studies.parsers import PARSERS
from studies.presets import DEFAULT, LONG, SMOKE
from studies.transfer import TRANSFER

STUDIES = {
    "ablation": ABLATION,
    "controls": CONTROLS,
    "token-controls": TOKEN_CONTROLS,
    "choices": CHOICES,
    "comparison": COMPARISON,
    "parsers": PARSERS,
    "transfer": TRANSFER,
}
ALL = (ABLATION, PARSERS, TRANSFER)
STARTS = ("tiny", "tiny-global")
"""The study `starts` is the ablation from each of these CLIPs: one was taught the parts of people, one was not."""
SEVERAL = ("all", "starts")  # what stands for several tables
PRESETS = {"default": DEFAULT, "long": LONG, "smoke": SMOKE}
