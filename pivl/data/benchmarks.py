"""The known facts of each public benchmark, which are checked on disk (Table 1; method.md 4).

Counts are of pictures that the market protocol uses: junk is left out, distractors are in. Nothing is downloaded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

SetName = Literal["train", "query", "gallery"]
SETS: tuple[SetName, ...] = get_args(SetName)


@dataclass(frozen=True)
class Counts:
    """Pictures of a set and the people on them, distractors not counted as people."""

    images: int
    people: int


@dataclass(frozen=True)
class Benchmark:
    """A public data set as it is distributed.

    below: folders under the root that may hold it, tried after the root itself. folders: where the pictures of each set
    lie. pattern: matched from the start of a picture's base name; its groups are person and camera (from 1). lists: text
    files that name the pictures of a set, a line each with path and person, where folders alone do not say it. junk and
    distractor: the people whose pictures are left out, and kept as wrong answers.
    """

    name: str
    title: str
    below: tuple[str, ...]
    folders: Mapping[SetName, str]
    pattern: re.Pattern[str]
    counts: Mapping[SetName, Counts]
    cameras: int
    note: str
    lists: Mapping[SetName, tuple[str, ...]] | None = None
    junk: int | None = None
    distractor: int | None = None


MARKET_FOLDERS: Mapping[SetName, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}
DUKE_PATTERN = re.compile(r"(?P<person>\d{4})_c(?P<camera>\d)_f\d+\.")

MARKET1501 = Benchmark(
    name="market1501",
    title="Market-1501",
    below=(
        "Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15", "Market-1501", "market1501", "Market1501", "market",
    ),
    folders=MARKET_FOLDERS,
    pattern=re.compile(r"(?P<person>-1|\d{4,})_c(?P<camera>\d)s\d+_"),
    counts={"train": Counts(12936, 751), "query": Counts(3368, 750), "gallery": Counts(15913, 750)},
    cameras=6,
    note="Please cite its authors; academic use is customary.",
    junk=-1,
    distractor=0,
)  # fmt: skip

DUKEMTMC = Benchmark(
    name="dukemtmc",
    title="DukeMTMC-reID",
    below=(
        "DukeMTMC-reID", "dukemtmcreid/DukeMTMC-reID", "dukemtmc-reid/DukeMTMC-reID", "dukemtmc/DukeMTMC-reID",
        "dukemtmcreid", "dukemtmc-reid", "dukemtmc", "duke",
    ),
    folders=MARKET_FOLDERS,
    pattern=DUKE_PATTERN,
    counts={"train": Counts(16522, 702), "query": Counts(2228, 702), "gallery": Counts(17661, 1110)},
    cameras=8,
    note="Withdrawn by Duke University on 2019-04-25; it should not be passed on, and using it is a decision to record.",
)  # fmt: skip

MSMT17 = Benchmark(
    name="msmt17",
    title="MSMT17 V1",
    below=(
        "MSMT17_V1", "msmt17/MSMT17_V1", "MSMT17", "msmt17/MSMT17", "msmt17", "MSMT17/MSMT17_V1",
        "MSMT17_V2", "msmt17/MSMT17_V2", "MSMT17/MSMT17_V2",  # only to be recognised
    ),
    folders={"train": "train", "query": "test", "gallery": "test"},
    pattern=re.compile(r"\d+_\d+_(?P<camera>\d+)_"),
    counts={"train": Counts(32621, 1041), "query": Counts(11659, 3060), "gallery": Counts(82161, 3060)},
    cameras=15,
    note="Given out by Peking University on request, for research only. Train is train and val, as CLIP-ReID uses it.",
    lists={
        "train": ("list_train.txt", "list_val.txt"), "query": ("list_query.txt",), "gallery": ("list_gallery.txt",),
    },
)  # fmt: skip

OCCLUDED_DUKE = Benchmark(
    name="occluded-duke",
    title="Occluded-Duke",
    below=(
        "Occluded_Duke", "Occluded-Duke", "occluded-duke", "occluded_duke", "dukemtmcreid/Occluded_Duke",
        "Occluded-DukeMTMC-Dataset/Occluded_Duke", "Occluded-DukeMTMC",
    ),
    folders=MARKET_FOLDERS,
    pattern=DUKE_PATTERN,
    counts={"train": Counts(15618, 702), "query": Counts(2210, 519), "gallery": Counts(17661, 1110)},
    cameras=8,
    note="Made of DukeMTMC-reID, which Duke University withdrew on 2019-04-25: only its name lists may be passed on.",
)  # fmt: skip

BENCHMARKS = {facts.name: facts for facts in (MARKET1501, DUKEMTMC, MSMT17, OCCLUDED_DUKE)}
