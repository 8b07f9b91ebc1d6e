"""The CLIPs of the embedded benchmark: what each is built as, and what it is taught before any study begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pivl.synthped.pretraining.batches import BatchMix
from pivl.synthped.pretraining.clip_training import Pretraining
from pivl.towers.architecture import VisionArchitecture

RESNET = VisionArchitecture("resnet", layers=(1, 1, 1, 1), width=16, heads=8, embed_dim=128)
VIT = VisionArchitecture("vit", layers=(4,), width=128, heads=2, embed_dim=128, patch=8)
NEVER = 2.0  # a share of the steps that no training reaches


@dataclass(frozen=True)
class Start:
    """A CLIP that studies start from: its image tower, how it is trained, and what its card says of it."""

    vision: VisionArchitecture
    title: str
    taught: str
    choices: Pretraining = field(default_factory=Pretraining)

    @property
    def taught_parts(self) -> bool:
        """Whether regions and the bare texts of their parts are among its lessons."""
        return self.choices.regions_from < 1


STARTS: Mapping[str, Start] = MappingProxyType(
    {
        "tiny": Start(
            RESNET,
            "tiny CLIP",
            "It learned from crops and regions too, cut out by the exact part maps of its own people: a supervision "
            "that OpenAI's CLIP never had.",
        ),
        "tiny-global": Start(
            RESNET,
            "tiny CLIP that was taught whole pictures alone",
            "It saw whole pictures and captions and nothing else, as OpenAI's CLIP did: no crop, no region and no part "
            "map, so its dense tokens were never told what a part is.",
            Pretraining(steps=1800, regions_from=NEVER, mix=BatchMix(crops=0)),
        ),
        "tiny-vit": Start(
            VIT,
            "tiny CLIP with a vision transformer",
            "It had the lessons of `tiny`, crops and regions of its own people among them, for a tower of four "
            "transformer blocks on patches of 8 x 8 pixels.",
        ),
    }
)
