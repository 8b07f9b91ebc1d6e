"""Every study and preset by the name that is typed for it."""

from studies.ablation import ABLATION
from studies.controls import CONTROLS
from studies.presets import DEFAULT, SMOKE

STUDIES = {"ablation": ABLATION, "controls": CONTROLS}
PRESETS = {"default": DEFAULT, "smoke": SMOKE}
