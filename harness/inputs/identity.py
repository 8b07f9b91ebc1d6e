"""Computes the digests of data sets and initial weights that enter run ids, and notes them in the results folder."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pivl
from harness.display.progress import Progress
from harness.inputs.backbones import find_backbone
from harness.inputs.spec import DataIdentity, Inputs, Size, find_config
from harness.inputs.weights import find_weights
from harness.store.manifest import read_note, write_note
from harness.store.records import Results
from pivl.data.cache.digests import digest_file
from pivl.errors import UserError
from studies.backbones import EMBEDDED_BACKBONES


def identify(
    inputs: Inputs, size: Size, results: Results, progress: Progress, confidence: bool = False
) -> DataIdentity:
    """The identity of the data set. Rendered images are recalled from notes; files on disk are listed and hashed.

    Raises UserError for whatever is wrong with the data set, and warns of what is doubtful.
    """
    if inputs.is_embedded and confidence:
        raise UserError(
            f"{inputs.dataset}: its part maps are exact; rows weighted by confidence need a parser's; leave them out"
        )
    if inputs.is_embedded:
        if (known := recall(inputs, size, results)) is not None:
            return known
        from harness.inputs.loading import load

        split = load(inputs, size, progress)
        return DataIdentity(split.fingerprint, split.maps)
    from harness.inputs.on_disk import find_on_disk

    return find_on_disk(inputs, progress, confidence)


def recall(inputs: Inputs, size: Size, results: Results, by_any_code: bool = False) -> DataIdentity | None:
    """The identity that `remember` stored for the data set and the current code, or None.

    `by_any_code`: also what other code stored, whose images may differ from the current ones; enough for a forecast.
    """
    entry = read_note(results).get(_key(inputs, size), {})
    if inputs.is_embedded and not by_any_code and entry.get("code") != _code_digest(inputs):
        return None
    if not {"fingerprint", "part_maps"} <= entry.keys():
        return None
    partial = {which: (found, expected) for which, (found, expected) in entry.get("partial", {}).items()}
    more = partial, tuple(entry.get("untrained", ())), entry.get("people", 0)
    return DataIdentity(entry["fingerprint"], entry["part_maps"], entry.get("confident", ""), *more)


def remember(inputs: Inputs, size: Size, found: DataIdentity, results: Results) -> None:
    """Writes the identity of the data set to datasets.json."""
    code = {"code": _code_digest(inputs)} if inputs.is_embedded else {}
    entry: dict[str, Any] = {**code, "fingerprint": found.fingerprint, "part_maps": found.maps}
    further = ("confident", "partial", "untrained", "people")
    entry |= {name: value for name in further if (value := getattr(found, name))}
    write_note(results, _key(inputs, size), entry)


def count_people(inputs: Inputs, found: DataIdentity, results: Results) -> Mapping[int, int] | None:
    """The histogram of training identities by their number of images; None where that was never noted.

    Looks at no folder: `found` has the numbers where the data set was listed.
    """
    if found.shots:
        return found.shots
    noted = read_note(results).get(_people_key(inputs))
    if noted is not None:
        return {int(pictures): int(people) for pictures, people in noted.items()}
    if inputs.is_embedded:
        config = find_config(inputs.dataset)
        return {config.training_shots: config.training_people}
    return None


def remember_people(inputs: Inputs, found: DataIdentity, results: Results) -> None:
    """Writes the histogram of `count_people`, which takes seconds to compute, to datasets.json."""
    if (people := count_people(inputs, found, results)) is not None:
        write_note(results, _people_key(inputs), {str(pictures): people[pictures] for pictures in people})


def weights_digest(inputs: Inputs, results: Results) -> str:
    """The SHA-256 of the weights file; of OpenAI's, that of their tensors, fetched once.

    Where no weights are named, those that runs of this backbone started from last.
    """
    if inputs.backbone not in EMBEDDED_BACKBONES and (noted := _noted_digest(inputs, results)):
        return noted
    path = find_weights(inputs)
    if path is not None:
        return digest_file(path)
    openai = f"weights openai {find_backbone(inputs.backbone).clip}"
    entry = read_note(results).get(openai, {})
    if "sha256" not in entry:
        from harness.inputs.loading import openai_digest

        entry = {"sha256": openai_digest(inputs)}
        write_note(results, openai, entry)
    return str(entry["sha256"])


def noted_weights(inputs: Inputs, results: Results) -> str:
    """The digest that runs of this backbone noted last, where no weights are named; else as `weights_digest`."""
    return _noted_digest(inputs, results) or weights_digest(inputs, results)


def _noted_digest(inputs: Inputs, results: Results) -> str:
    """The noted digest of this backbone's weights; empty where weights are named or none are noted."""
    entry = {} if inputs.weights else read_note(results).get(f"weights {inputs.backbone}", {})
    return str(entry.get("sha256", ""))


def remember_weights(inputs: Inputs, digest: str, results: Results) -> None:
    """Writes the digest to datasets.json, for tables requested without naming weights."""
    write_note(results, f"weights {inputs.backbone}", {"sha256": digest})


def _people_key(inputs: Inputs) -> str:
    return f"people {inputs.dataset}"


def _key(inputs: Inputs, size: Size) -> str:
    """The key of the data set in datasets.json; images on disk have one key, since tables may omit their folders."""
    maps = f" {inputs.part_maps}" if inputs.part_maps else ""
    world = f" world {inputs.world}" if inputs.world else ""
    return f"{inputs.dataset} {size[0]}x{size[1]}{maps}{world}" if inputs.is_embedded else inputs.dataset


def _code_digest(inputs: Inputs) -> str:
    """A hash over every source file that may decide the pictures of an embedded data set, or their part maps."""
    root = Path(pivl.__file__).parent
    digest = hashlib.sha256()
    folders = ("data", "synthped", *(("parsers",) if inputs.part_maps else ()))
    sources = [path for name in folders for path in sorted((root / name).rglob("*.py"))]
    weights = sorted((root / "parsers").glob("*.safetensors")) if inputs.part_maps else []
    for path in [root / "system" / "random_streams.py", *sources, *weights]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
