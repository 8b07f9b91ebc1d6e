"""What sets a table apart from its study as defined: said in words below it, and in the name of its files.

Two different tables never share a file. The short name, `ablation` or `ablation-smoke`, is that of a study's own rows
and seeds on rendered pictures; any other has what is changed and a digest of its runs behind it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.display.text import describe_changes, describe_partial
from harness.experiment.experiment import Question
from harness.inputs.identity import noted
from harness.plan.task import Cell
from harness.store.manifest import read_note, write_note
from harness.store.record_file import Record, digest
from harness.store.records import Failed, Finished, Results
from harness.store.row_index import asked_rows
from pivl.data.benchmarks import BENCHMARKS, SETS
from studies.backbones import EMBEDDED_BACKBONE, STUDENT
from studies.catalog import STUDIES

Partial = Mapping[str, tuple[int, int]]
"""Found and expected pictures by set, where these differ."""

PART_MAPS = "part maps"  # beside the sets
LONGEST = 100  # letters of a file's name that say what is changed
UNKNOWN = "taken with --allow-partial before records kept what it lacks"


def changed(question: Question) -> dict[str, Any]:
    """What --set changes in a row of the question's table; what a row has anyway is no change."""
    plain = replace(question, changes={})
    rows = [row for row in question.study.rows if row.name in question.shown]
    return {
        name: value
        for name, value in question.changes.items()
        if name != "precision"
        and any(getattr(plain.recipe(row), name) != getattr(question.recipe(row), name) for row in rows)
    }


def describe(question: Question, partial: Partial, unsure: bool = False) -> dict[str, str]:
    """All that sets the table apart, by heading; `unsure`: old records do not say whether the data are whole."""
    said = dict(describe_runs(question, partial))
    said |= {"Partial data": UNKNOWN} if unsure else {}
    if question.rows != _usual_rows(question):
        said["Rows asked for"] = f"{', '.join(question.rows)}, not {', '.join(_usual_rows(question))}"
    if question.seeds != _usual_seeds(question):
        said["Seeds asked for"] = f"{_join(question.seeds)}, not {_join(_usual_seeds(question))}"
    return said


def describe_runs(question: Question, partial: Partial) -> dict[str, str]:
    """What sets the runs of its rows apart, whichever of them are asked for, by heading."""
    said: dict[str, str] = {}
    if changes := changed(question):
        said["Changed with --set"] = describe_changes(changes)
    if question.kept:
        kept = [f"{name} of {', '.join(rows)}" for name, rows in question.kept.items()]
        said["Not changed, since rows set it themselves"] = "; ".join(kept)
    if partial:
        said["Partial data"] = describe_partial(partial)
    if question.parser_maps:
        said["Part maps of one's own"] = ", ".join(question.parser_maps)
    if question.inputs.backbone == EMBEDDED_BACKBONE and question.inputs.weights:
        said["Initial weights"] = Path(question.inputs.weights).name
    if question.inputs.is_embedded and question.inputs.student_weights:
        said["Initial weights of students"] = Path(question.inputs.student_weights).name
    if question.limit_steps:
        said["Cut short"] = f"{question.limit_steps} steps per stage"
    return said


def find_partial(
    question: Question, runs: Iterable[Finished | Failed | None], results: Results
) -> tuple[Partial, bool]:
    """What the data of `runs` lack, as their records have it, and whether that is unknown.

    Records of old do not say it: then the note of the data set does, and else the queries and gallery of a signature.
    """
    records = [run.record for run in runs if isinstance(run, Finished)]
    inputs = [record.get("inputs", {}) for record in records]
    kept = [one["partial"] for one in inputs if "partial" in one]
    if kept or not records:
        found = kept[0] if kept else getattr(noted(question.inputs, question.size, results), "partial", {})
        return {which: tuple(found[which]) for which in (*SETS, PART_MAPS) if which in found}, False
    if question.inputs.is_csv or question.dataset not in BENCHMARKS:
        return {}, False
    partial = _by_signature(question.dataset, records[0])
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


def name_files(question: Question, cells: Sequence[Cell], results: Results) -> str:
    """The name of the files of its table, without their ending, told apart by the runs of `cells`, those asked for."""
    told = _tell_apart(question, cells, results)
    if told is None:
        return question.name
    runs = [[cell.row, cell.run.seed, cell.run.id] for cell in cells if cell.row in question.rows]
    what = ["csv" if question.inputs.is_csv else "", question.name, question.shown, runs]
    text = re.sub(r"[^\w.=,+-]+", "-", told)[:LONGEST]
    name = re.sub(r"[^\w.=,+-]+", "-", question.name)[:LONGEST]
    return f"{name}.{text}{'-' if text else ''}{digest(what)[:8]}"


def note_precision(question: Question, results: Results) -> None:
    """Keep in which precision tables have the short names, which is that of the first."""
    if not question.limit_steps and "precision" not in read_note(results).get(_key(question), {}):
        write_note(results, _key(question), {"precision": usual_precision(question, results)})


def usual_precision(question: Question, results: Results) -> str:
    """The precision of tables whose names do not say it: the first that this data set and backbone were asked for in."""
    if kept := read_note(results).get(_key(question), {}).get("precision"):
        return str(kept)
    backbone = question.base.recipes["CLIP-ReID"].backbone
    had = (row.choices for row in asked_rows(results) if row.dataset == question.dataset)
    return next((one["precision"] for one in had if one["backbone"] == backbone), question.precision)


def _tell_apart(question: Question, cells: Sequence[Cell], results: Results) -> str | None:
    """What is not as usual, as a file's name says it; None where all is."""
    said = [describe_changes(changed(question)).replace(", ", ",")]
    said += [question.precision] if question.precision != usual_precision(question, results) else []
    said += ["partial"] if any(cell.partial for cell in cells) else []
    said += [] if question.rows == _usual_rows(question) else [f"rows={'+'.join(question.rows)}"]
    said += (
        [] if question.seeds == _usual_seeds(question) else [f"seeds={'+'.join(map(str, question.seeds))}"]
    )
    said = [one for one in said if one]
    start = question.inputs
    own = (
        start.weights
        or start.student_weights
        or question.student not in ("", STUDENT)
        or question.limit_steps
    )
    known = start.is_embedded and question.study == STUDIES.get(question.study.name)
    return None if known and not (said or own) else ",".join(said)


def _usual_rows(question: Question) -> tuple[str, ...]:
    return tuple(row.name for row in question.study.rows if row.usual or row.name in question.study.always)


def _usual_seeds(question: Question) -> tuple[int, ...]:
    return question.preset.seeds or question.study.seeds


def _key(question: Question) -> str:
    return f"precision of {question.inputs.dataset} on {question.inputs.backbone}"


def _join(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
