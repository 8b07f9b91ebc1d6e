"""What runs start from, by name: data sets and initial weights, and the digests of both, which name runs.

A note in the results folder keeps the digests that cost much to find: the fingerprint of a rendered data set needs
its pictures and those need torch, OpenAI's weights need the network. It also lets a table be made from records where
the pictures are not at hand.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pivl
from harness.backbones import find_base
from harness.choose import choose
from harness.progress import Progress
from harness.records import Results, digest
from pivl.data.digests import digest_file
from pivl.data.facts import BENCHMARKS
from pivl.errors import UserError
from pivl.files import check_regular, write_text
from pivl.reading import read_json
from pivl.recipe import Recipe
from pivl.towers.named import named_clips
from studies.bases import EMBEDDED_BACKBONE

if TYPE_CHECKING:
    from pivl.data.pictures import Split
    from pivl.people.benchmark import SynthpedConfig

NOTE = "datasets.json"
SHIPPED = Path(pivl.__file__).parent / "people" / "tiny_clip.safetensors"
OPENAI = "openai"
EMBEDDED_SETS = (
    "synthped",
    "synthped-mini",
)  # VARIANTS of pivl.people.benchmark, known without loading torch
Size = tuple[int, int]


@dataclass(frozen=True)
class Inputs:
    """Where the pictures, part maps and initial weights of a study lie; ids of runs hash what is found there.

    dataset: an embedded set, a public one or a csv file. part_maps: of pictures on disk a folder; of rendered ones a
    source that stands in for the exact maps (pivl.parsers.sources). backbone: of harness.backbones. weights: a file,
    `openai`, or None for the CLIP that comes with the package. held_out: not the test people but training people that
    this seed draws are query and gallery (pivl.data.holdout). student_weights: what students start from
    (harness.students).
    """

    dataset: str
    data_root: str | None = None
    part_maps: str | None = None
    allow_partial: bool = False
    backbone: str = EMBEDDED_BACKBONE
    weights: str | None = None
    held_out: int | None = None
    student_weights: str | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the pictures are rendered, not read from disk."""
        return self.dataset in EMBEDDED_SETS

    @property
    def called(self) -> str:
        """The data set's name as files and tables have it."""
        return Path(self.dataset).stem if self.is_csv else self.dataset

    @property
    def is_csv(self) -> bool:
        """Whether the data set is a csv file of a person's own."""
        return self.dataset.lower().endswith(".csv")


@dataclass(frozen=True)
class Found:
    """What a data set is: the fingerprint of its pictures, and the digest of its training pictures' part maps.

    maps: None where there are none, empty where the fingerprint covers them. confident: their digest together with
    their confidence, for recipes that use it. partial: found and expected pictures of each set that is not a public
    benchmark's whole. untrained: cameras of its test pictures that no training picture is by. people: how many are
    trained on, 0 where that is not known.
    former: what it was to versions that hashed sizes of files. place: the inputs with the folders that were looked at.
    """

    fingerprint: str
    maps: str | None
    confident: str = ""
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()
    people: int = 0
    former: "Found | None" = field(default=None, compare=False)
    place: Inputs | None = field(default=None, compare=False)

    def maps_of(self, recipe: Recipe) -> str:
        """The digest of the part maps that `recipe` trains on; empty where it needs none."""
        if recipe.part_text == "none":
            return ""
        return self.confident if recipe.align_pixels == "confidence" else self.maps or ""


def choose_dataset(name: str) -> str:
    """`name` if it is known or a csv file; UserError with the known names and the nearest."""
    return name if name.lower().endswith(".csv") else choose("data set", name, [*EMBEDDED_SETS, *BENCHMARKS])


def find_config(name: str) -> "SynthpedConfig":
    """The embedded data set `name`; UserError with the known names and the nearest."""
    from pivl.people.benchmark import VARIANTS

    return VARIANTS[choose("data set", name, VARIANTS)]


def load(inputs: Inputs, size: Size, progress: Progress | None = None, confidence: bool = False) -> "Split":
    """The data set at `size`, rendered or decoded into the user's cache where it is not there yet.

    `confidence`: with that of its part maps, which only pictures on disk have. Where people are held out, the split
    has no test pictures any more.
    """
    from harness.pictures import load_whole
    from pivl.data.holdout import hold_out, seal

    split = load_whole(inputs, size, progress, confidence)
    return split if inputs.held_out is None else hold_out(seal(split), inputs.held_out)


def find(inputs: Inputs, size: Size, results: Results, progress: Progress, confidence: bool = False) -> Found:
    """What the data set is. Rendered pictures are taken as noted; files on disk are listed and checked again.

    Raises UserError for whatever is wrong with the data set, and warns of what is doubtful.
    """
    if inputs.is_embedded and confidence:
        raise UserError(
            f"{inputs.dataset}: its part maps are exact; rows weighted by confidence need a parser's"
        )
    if inputs.is_embedded:
        if (known := noted(inputs, size, results)) is not None:
            return known
        split = load(inputs, size, progress)
        return Found(split.fingerprint, split.maps)
    from harness.on_disk import find_on_disk

    return find_on_disk(inputs, progress, confidence)


def noted(inputs: Inputs, size: Size, results: Results) -> Found | None:
    """What `note` kept of the data set for the code as it is now, or None."""
    entry = read_note(results).get(_key(inputs, size), {})
    if inputs.is_embedded and entry.get("code") != _code_digest(inputs):
        return None
    if not {"fingerprint", "part_maps"} <= entry.keys():
        return None
    partial = {which: (found, expected) for which, (found, expected) in entry.get("partial", {}).items()}
    more = partial, tuple(entry.get("untrained", ())), entry.get("people", 0)
    return Found(entry["fingerprint"], entry["part_maps"], entry.get("confident", ""), *more)


def note(inputs: Inputs, size: Size, found: Found, results: Results) -> None:
    """Keep what the data set is."""
    code = {"code": _code_digest(inputs)} if inputs.is_embedded else {}
    entry: dict[str, Any] = {**code, "fingerprint": found.fingerprint, "part_maps": found.maps}
    further = ("confident", "partial", "untrained", "people")
    entry |= {name: value for name in further if (value := getattr(found, name))}
    write_note(results, _key(inputs, size), entry)


def count_people(inputs: Inputs, results: Results) -> Mapping[int, int] | None:
    """How many training people have how many pictures, by their number; None where no folder is named and none noted.

    Looks at no picture. UserError for a data set that cannot be listed.
    """
    noted = read_note(results).get(_people_key(inputs))
    if noted is not None and inputs.data_root is None:
        return {int(pictures): int(people) for pictures, people in noted.items()}
    if inputs.is_embedded:
        config = find_config(inputs.dataset)
        return {config.training_shots: config.training_people}
    if inputs.data_root is None and not inputs.is_csv:
        return None
    from pivl.data.catalog import list_pictures

    listing = list_pictures(inputs.dataset, Path(inputs.data_root) if inputs.data_root else None)
    return Counter(Counter(entry.person for entry in listing.entries["train"]).values())


def note_people(inputs: Inputs, results: Results) -> None:
    """Keep what `count_people` says, which costs seconds to find out."""
    if (people := count_people(inputs, results)) is not None:
        write_note(results, _people_key(inputs), {str(pictures): people[pictures] for pictures in people})


def find_weights(inputs: Inputs) -> Path | None:
    """The file that runs start from, None where OpenAI's are fetched; UserError where there is none."""
    if inputs.weights == OPENAI:
        clip = find_base(inputs.backbone).clip
        if clip is None or not named_clips()[clip].openai:
            raise UserError(f"--weights openai: {inputs.backbone} is none of OpenAI's; name a weights file")
        return None
    if inputs.weights is None and inputs.backbone != EMBEDDED_BACKBONE:
        raise UserError(
            f"{inputs.backbone}: name CLIP's weights with --weights: a file, or openai to have them downloaded"
        )
    path = SHIPPED if inputs.weights is None else Path(inputs.weights)
    made = inputs.weights is None
    check_regular(
        path, "weights file", "pivl-bench pretrain makes it in half an hour" if made else "check the path"
    )
    return path


def weights_digest(inputs: Inputs, results: Results) -> str:
    """The SHA-256 of the weights file; of OpenAI's, that of their tensors, fetched once.

    Where no weights are named, those that runs of this backbone started from last.
    """
    key = f"weights {inputs.backbone}"
    if inputs.weights is None and inputs.backbone != EMBEDDED_BACKBONE:
        entry = read_note(results).get(key, {})
        if "sha256" in entry:
            return str(entry["sha256"])
    path = find_weights(inputs)
    if path is not None:
        return digest_file(path)
    openai = f"weights openai {find_base(inputs.backbone).clip}"
    entry = read_note(results).get(openai, {})
    if "sha256" not in entry:
        from harness.starts import openai_digest

        entry = {"sha256": openai_digest(inputs)}
        write_note(results, openai, entry)
    return str(entry["sha256"])


def note_weights(inputs: Inputs, digest: str, results: Results) -> None:
    """Keep the digest for tables that are asked for without naming weights."""
    write_note(results, f"weights {inputs.backbone}", {"sha256": digest})


def _people_key(inputs: Inputs) -> str:
    return f"people {inputs.dataset}"


def _key(inputs: Inputs, size: Size) -> str:
    """Of pictures on disk the last that was looked at, since a table may be asked for without naming folders."""
    maps = f" {inputs.part_maps}" if inputs.part_maps else ""
    return f"{inputs.dataset} {size[0]}x{size[1]}{maps}" if inputs.is_embedded else inputs.dataset


def read_note(results: Results) -> dict[str, dict[str, Any]]:
    """What is noted, by data set or weights; nothing, with a warning, where the note is not as it was written."""
    path = results.root / NOTE
    try:
        found = read_json(path)
        if found["checksum"] == digest(found["entries"]):
            return dict(found["entries"])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    results.warn(f"{path}: it is not as this version wrote it; what it noted is found out again by run")
    return {}


def write_note(results: Results, key: str, entry: Mapping[str, Any]) -> None:
    """Keep `entry` under `key` beside the others."""
    entries = {**read_note(results), key: entry}
    text = json.dumps({"entries": entries, "checksum": digest(entries)}, indent=2, sort_keys=True)
    write_text(results.root / NOTE, text + "\n")


def _code_digest(inputs: Inputs) -> str:
    """A hash over every source file that may decide the pictures of an embedded data set, or their part maps."""
    root = Path(pivl.__file__).parent
    digest = hashlib.sha256()
    folders = ("data", "people", *(("parsers",) if inputs.part_maps else ()))
    sources = [path for name in folders for path in sorted((root / name).glob("*.py"))]
    weights = sorted((root / "parsers").glob("*.safetensors")) if inputs.part_maps else []
    for path in [root / "streams.py", *sources, *weights]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
