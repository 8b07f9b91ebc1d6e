"""The pictures of a benchmark: what every data set becomes before anything is trained or scored."""

from dataclasses import dataclass

from torch import Tensor

from pivl.data.part_maps.labels import LabelSet


@dataclass(frozen=True)
class Pictures:
    """N decoded pictures: image uint8 [N, 3, H, W] (RGB), person and camera int64 [N], part_map uint8 [N, H, W] or None.

    confidence: of the part map, uint8 [N, H, W] in 255ths, where it was asked for. family: int64 [N], the same for people
    who were made look-alikes, where the data know of any.
    In a training set people are numbered 0..P-1 in sorted order; elsewhere -1 marks a distractor that is never a match.
    """

    image: Tensor
    person: Tensor
    camera: Tensor
    part_map: Tensor | None
    names: tuple[str, ...]
    confidence: Tensor | None = None
    family: Tensor | None = None

    @property
    def cluster(self) -> Tensor:
        """The largest group that each picture hangs together with, int64 [N]: its family, or else its person."""
        return self.person if self.family is None else self.family

    def __len__(self) -> int:
        return len(self.names)


Descriptions = tuple[tuple[str | None, ...], ...]
"""By training person and part: what that part of that person is truly like, None where nobody knows or it is not seen."""


@dataclass(frozen=True)
class Split:
    """A benchmark: its three sets, the label set of its part maps, and a fingerprint of its content.

    maps: a digest of the training pictures' part maps, empty where there are none or the fingerprint covers them.
    descriptions: of the training people's parts, which only a renderer knows.
    """

    name: str
    train: Pictures
    query: Pictures
    gallery: Pictures
    labels: LabelSet
    fingerprint: str
    maps: str = ""
    descriptions: Descriptions | None = None
