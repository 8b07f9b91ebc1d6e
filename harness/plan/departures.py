"""Describes departures of a table from its study as defined, in words below it and in its file name.

Two different tables never share a file. The short name, `ablation` or `ablation-smoke`, is that of a study's own rows
and seeds on rendered pictures; any other has what is changed and a digest of its runs behind it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.display.text import describe_changes, describe_partial
from harness.experiment.experiment import Experiment
from harness.inputs.identity import recall
from harness.inputs.own_code import own_choices
from harness.plan.task import Cell
from harness.store.manifest import read_note, write_note
from harness.store.record_file import Record, digest
from harness.store.records import Failed, Finished, Results
from harness.store.row_index import asked_rows
from pivl.data.benchmarks import BENCHMARKS, SETS
from pivl.synthped.names import STUDENT
from studies.backbones import EMBEDDED_BACKBONES
from studies.catalog import STUDIES

Partial = Mapping[str, tuple[int, int]]
"""Found and expected pictures by set, where these differ."""

PART_MAPS = "part maps"  # beside the sets
LONGEST = 100  # letters of a file's name that say what is changed
UNKNOWN = "taken with --allow-partial before records kept what it lacks"


def changed(experiment: Experiment) -> dict[str, Any]:
    """The changes of --set that differ from a recipe of the experiment's rows; a change to the same value is none."""
    plain = replace(experiment, changes={})
    rows = [row for row in experiment.study.rows if row.name in experiment.shown]
    return {
        name: value
        for name, value in experiment.changes.items()
        if name != "precision"
        and any(getattr(plain.recipe(row), name) != getattr(experiment.recipe(row), name) for row in rows)
    }


def in_heading(experiment: Experiment) -> dict[str, Any]:
    """The changes that head a table: those of --set, and of a preset that does not warn of itself."""
    preset = {} if experiment.preset.warning else experiment.preset.changes
    return {**preset, **changed(experiment)}


def describe(experiment: Experiment, partial: Partial, unsure: bool = False) -> dict[str, str]:
    """The departures by heading; `unsure`: old records do not say whether the data are complete."""
    said = {"Study of one's own": experiment.origin} if experiment.origin else {}
    code = {
        row.name: own_choices(row).values() for row in experiment.study.rows if row.name in experiment.shown
    }
    if any(code.values()):
        said["Code of one's own"] = "; ".join(f"{name} by {', '.join(of)}" for name, of in code.items() if of)
    said |= describe_runs(experiment, partial)
    said |= {"Partial data": UNKNOWN} if unsure else {}
    if experiment.rows != _default_rows(experiment):
        said["Rows asked for"] = f"{', '.join(experiment.rows)}, not {', '.join(_default_rows(experiment))}"
    if experiment.seeds != _default_seeds(experiment):
        said["Seeds asked for"] = f"{_join(experiment.seeds)}, not {_join(_default_seeds(experiment))}"
    if experiment.own_rows:
        said["Rows of one's own, by --row"] = "; ".join(experiment.own_rows)
    if experiment.external:
        said["Rows of other code, by --with"] = ", ".join(experiment.external)
    return said


def describe_runs(experiment: Experiment, partial: Partial) -> dict[str, str]:
    """The departures of the runs, independent of the requested rows, by heading."""
    said: dict[str, str] = {}
    if changes := changed(experiment):
        said["Changed with --set"] = describe_changes(changes)
    if experiment.kept:
        kept = [f"{name} of {', '.join(rows)}" for name, rows in experiment.kept.items()]
        said["Not changed, since rows set it themselves"] = "; ".join(kept)
    if partial:
        said["Partial data"] = describe_partial(partial)
    if experiment.parser_maps:
        said["Part maps of one's own"] = ", ".join(experiment.parser_maps)
    if experiment.inputs.backbone in EMBEDDED_BACKBONES and experiment.inputs.weights:
        said["Initial weights"] = Path(experiment.inputs.weights).name
    if experiment.inputs.is_embedded and experiment.inputs.student_weights:
        said["Initial weights of students"] = Path(experiment.inputs.student_weights).name
    if experiment.limit_steps:
        said["Cut short"] = f"{experiment.limit_steps} steps per stage"
    return said


def find_partial(
    experiment: Experiment, runs: Iterable[Finished | Failed | None], results: Results
) -> tuple[Partial, bool]:
    """The missing data of `runs` according to their records, and whether that is unknown.

    Records of old do not say it: then the note of the data set does, and else the queries and gallery of a signature.
    """
    records = [run.record for run in runs if isinstance(run, Finished)]
    inputs = [record.get("inputs", {}) for record in records]
    kept = [one["partial"] for one in inputs if "partial" in one]
    if kept or not records:
        found = (
            kept[0] if kept else getattr(recall(experiment.inputs, experiment.size, results), "partial", {})
        )
        return {which: tuple(found[which]) for which in (*SETS, PART_MAPS) if which in found}, False
    if experiment.inputs.is_csv or experiment.dataset not in BENCHMARKS:
        return {}, False
    partial = _by_signature(experiment.dataset, records[0])
    return partial, not partial and any(one.get("allow_partial") for one in inputs)


def _by_signature(dataset: str, record: Record) -> Partial:
    """Queries and gallery of a record against the public data set's."""
    counts = re.search(r"\|q(\d+) g(\d+)\|", record["signature"])
    if counts is None:
        return {}
    found = {"query": int(counts[1]) + int(record.get("excluded") or 0), "gallery": int(counts[2])}
    known = BENCHMARKS[dataset].counts
    pairs = {"query": known["query"].images, "gallery": known["gallery"].images}
    return {which: (found[which], pairs[which]) for which in found if found[which] != pairs[which]}


def name_files(experiment: Experiment, cells: Sequence[Cell], results: Results) -> str:
    """The file name of the table without suffix, distinguished by the runs of the requested `cells`."""
    told = _tell_apart(experiment, cells, results)
    if told is None:
        return experiment.name
    runs = [[cell.row, cell.run.seed, cell.run.id] for cell in cells if cell.row in experiment.rows]
    what = ["csv" if experiment.inputs.is_csv else "", experiment.name, experiment.shown, runs]
    what += [[list(experiment.external)]] if experiment.external else []
    text = re.sub(r"[^\w.=,+-]+", "-", told)[:LONGEST]
    name = re.sub(r"[^\w.=,+-]+", "-", experiment.name)[:LONGEST]
    return f"{name}.{text}{'-' if text else ''}{digest(what)[:8]}"


def note_precision(experiment: Experiment, results: Results) -> None:
    """Writes the precision of the first tables, whose file names omit it."""
    if not experiment.limit_steps and "precision" not in read_note(results).get(_key(experiment), {}):
        write_note(results, _key(experiment), {"precision": default_precision(experiment, results)})


def default_precision(experiment: Experiment, results: Results) -> str:
    """The precision of tables whose file names omit it: the first requested for this data set and backbone."""
    if kept := read_note(results).get(_key(experiment), {}).get("precision"):
        return str(kept)
    backbone = experiment.base.recipes["paper"].backbone
    had = (row.choices for row in asked_rows(results) if row.dataset == experiment.dataset)
    return next((one["precision"] for one in had if one["backbone"] == backbone), experiment.precision)


def _tell_apart(experiment: Experiment, cells: Sequence[Cell], results: Results) -> str | None:
    """The departures as a part of a file name; None if there are none."""
    said = [describe_changes(changed(experiment)).replace(", ", ",")]
    said += [experiment.precision] if experiment.precision != default_precision(experiment, results) else []
    said += ["partial"] if any(cell.partial for cell in cells) else []
    worlds = sorted({cell.inputs.world for cell in cells})
    said += [f"worlds={'+'.join(map(str, worlds))}"] if len(worlds) > 1 else []
    said += [] if experiment.rows == _default_rows(experiment) else [f"rows={'+'.join(experiment.rows)}"]
    said += (
        []
        if experiment.seeds == _default_seeds(experiment)
        else [f"seeds={'+'.join(map(str, experiment.seeds))}"]
    )
    said += [f"row={'+'.join(text.partition('=')[0] for text in experiment.own_rows)}"] * bool(
        experiment.own_rows
    )
    said += [f"with={len(experiment.external)}"] if experiment.external else []
    said = [one for one in said if one]
    start = experiment.inputs
    own = (
        start.weights
        or start.student_weights
        or experiment.student not in ("", STUDENT)
        or experiment.limit_steps
    )
    known = start.is_embedded and experiment.study == STUDIES.get(experiment.study.name)
    return None if known and not (said or own) else ",".join(said)


def _default_rows(experiment: Experiment) -> tuple[str, ...]:
    return tuple(
        row.name
        for row in experiment.study.rows
        if (row.default or row.name in experiment.study.required) and experiment.can_have(row)
    )


def _default_seeds(experiment: Experiment) -> tuple[int, ...]:
    return experiment.preset.seeds or experiment.study.seeds


def _key(experiment: Experiment) -> str:
    return f"precision of {experiment.inputs.dataset} on {experiment.inputs.backbone}"


def _join(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
