"""Resolves a request to experiments: a study, or rows and seeds of it, on a data set and a backbone."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.experiment.experiment import Experiment
from harness.experiment.overrides import parse_overrides
from harness.experiment.own_rows import name_of, with_own_rows
from harness.experiment.own_studies import find_study
from harness.experiment.parser_maps import check_maps, parse_parser_maps, with_maps
from harness.experiment.precision import Precisions, recorded_precisions
from harness.experiment.request import Request, parse_seeds, parse_worlds
from harness.inputs.backbones import choose_backbone, find_backbone
from harness.inputs.choices import choose, choose_all
from harness.inputs.spec import Inputs, choose_dataset
from harness.inputs.student_weights import RANDOM
from harness.inputs.weights import OPENAI
from harness.store.records import Results
from harness.system.devices import suitable_precision
from pivl.errors import UserError
from pivl.synthped.names import EMBEDDED_SETS, STUDENT
from pivl.system.homes import expand_home
from pivl.towers.architecture import check_image_size
from pivl.towers.clip_catalog import named_clips
from pivl.towers.student_names import parse_student
from studies.backbones import EMBEDDED_BACKBONE, EMBEDDED_BACKBONES
from studies.catalog import ALL, PRESETS, STARTS
from studies.parsers import PARSERS
from studies.presets import Preset
from studies.study import Study

USUAL_BACKBONE = "rn50"  # for pictures from disk: the paper's ablations are all on it


def resolve_all(
    asked: Request, results: Results | None = None, device: str = "auto"
) -> tuple[Experiment, ...]:
    """Returns the experiments of a request: that of one study; with `all` those of studies.catalog.ALL, in order; with
    `starts` the ablation from each of STARTS.

    Table 4 is among them for pictures on disk where parsers' maps are named. Several worlds are an experiment each, which
    stand together study by study. The rest is as for `resolve`.
    """
    each = [_resolve_all(one, results, device) for one in _by_world(asked)]
    return tuple(one for of_study in zip(*each, strict=True) for one in of_study)


def resolve_worlds(
    asked: Request, results: Results | None = None, device: str = "auto"
) -> tuple[Experiment, ...]:
    """Returns the experiments of a request for one study, one for each world; errors as for `resolve`."""
    return tuple(resolve(one, results, device) for one in _by_world(asked))


def _by_world(asked: Request) -> list[Request]:
    worlds = parse_worlds(asked.worlds)
    return [replace(asked, worlds=str(world)) for world in worlds] if len(worlds) > 1 else [asked]


def _resolve_all(asked: Request, results: Results | None, device: str) -> tuple[Experiment, ...]:
    if asked.study == "starts" and asked.study_file is None:
        return _from_each_start(asked, results, device)
    if asked.study != "all" or asked.study_file is not None:
        return (resolve(asked, results, device),)
    for option, typed in (("--row", asked.own_rows), ("--rows", asked.rows), ("--redo", asked.redo)):
        if typed:
            raise UserError(f"{option}: each study of all has rows of its own; name one study instead")
    without = () if asked.parser_maps or asked.dataset in (None, *EMBEDDED_SETS) else (PARSERS,)
    known = _recorded(asked, results)
    return tuple(
        resolve_study(study, _request_of(asked, study), PRESETS, known, device)
        for study in ALL
        if study not in without
    )


def _from_each_start(asked: Request, results: Results | None, device: str) -> tuple[Experiment, ...]:
    if asked.backbone is not None or asked.dataset not in (None, *EMBEDDED_SETS):
        raise UserError(f"starts: the ablation of rendered people from {' and '.join(STARTS)}; name no other")
    return tuple(
        resolve(replace(asked, study="ablation", backbone=start), results, device) for start in STARTS
    )


def has_students(study: Study) -> bool:
    """Whether a row of the experiment trains a student."""
    return any(row.student for row in study.rows)


def _request_of(asked: Request, study: Study) -> Request:
    """The request for one of several studies: options of students and part maps apply only to studies that have them."""
    about = replace(asked, study=study.name, parser_maps=asked.parser_maps if study == PARSERS else ())
    return about if has_students(study) else replace(about, student=None, student_weights=None)


def resolve(asked: Request, results: Results | None = None, device: str = "auto") -> Experiment:
    """Returns the experiment of a request; UserError for unknown names, seeds that are none, what does not agree.

    The precision `auto` is that of `results`, where they have one, and else what suits `device`.
    """
    found = find_study(asked.study, asked.study_file)
    experiment = resolve_study(found.study, asked, PRESETS, _recorded(asked, results), device)
    return replace(experiment, origin=found.origin)


def _recorded(asked: Request, results: Results | None) -> Precisions | None:
    return recorded_precisions(results) if results is not None and asked.precision == "auto" else None


def resolve_study(
    study: Study,
    asked: Request,
    presets: Mapping[str, Preset],
    precisions: Precisions | None = None,
    device: str = "auto",
) -> Experiment:
    """Returns the experiment about `study`, whatever its name; `precisions` says which one its results are in.

    Errors as for `resolve`.
    """
    folders = parse_parser_maps(asked.parser_maps)
    study = with_own_rows(with_maps(study, folders), asked.own_rows)
    preset = presets[choose("preset", asked.preset, presets)]
    names = [row.name for row in study.rows]
    inputs = _inputs(asked, preset.dataset or study.dataset)
    if preset.embedded and inputs.backbone not in EMBEDDED_BACKBONES:
        raise UserError(
            f"--preset {preset.name}: its epochs are chosen for {', '.join(EMBEDDED_BACKBONES)}; leave it out for "
            f"{inputs.backbone}, and name --seeds"
        )
    beyond = [row.name for row in study.rows if row.rendered and not inputs.is_embedded]
    usual = [row.name for row in study.rows if row.default and row.name not in beyond]
    chosen = (
        usual
        if asked.rows is None
        else [*choose_all("row", asked.rows, names), *map(name_of, asked.own_rows)]
    )
    if impossible := [name for name in beyond if name in chosen]:
        raise UserError(
            f"--rows {', '.join(impossible)}: only rendered people can have that; leave it out for {inputs.called}"
        )
    rows = [name for name in names if name in chosen or name in study.required]
    seeds = parse_seeds(asked.seeds) if asked.seeds else preset.seeds or study.seeds
    check_maps(study, inputs, folders)
    base = find_backbone(inputs.backbone)
    changes = parse_overrides(asked.overrides)
    experiment = Experiment(
        study,
        preset,
        tuple(rows),
        seeds,
        inputs,
        changes,
        asked.limit_steps,
        asked.rerank,
        folders,
        student=_student(asked, study),
        external=asked.external,
        own_rows=asked.own_rows,
        redo=tuple(choose_all("row", asked.redo, rows)) if asked.redo else (),
    )
    if asked.external and asked.rerank:
        raise UserError("--with: descriptors of other code are scored without re-ranking; leave --rerank out")
    if asked.external and asked.worlds:
        raise UserError(
            "--with: descriptors of other code are of the identities of world 0; leave --worlds out"
        )
    precision = asked.precision
    if precision == "auto":
        precision = (precisions and precisions(experiment)) or suitable_precision(device)
    if precision != base.recipes["paper"].precision:
        experiment = replace(experiment, changes={**changes, "precision": precision})
    _check_changes(experiment)
    return experiment


def _check_changes(experiment: Experiment) -> None:
    """Raises UserError if a row or the backbone refuses a change, or if no requested row takes it."""
    base = experiment.base
    patch = named_clips()[base.clip].architecture.vision.patch if base.clip else None
    for row in experiment.study.rows:
        if row.name in experiment.shown:
            check_image_size(experiment.recipe(row).image_size, base.kind, patch)
    for name, owners in experiment.kept.items():
        if set(experiment.rows) <= set(owners):
            raise UserError(
                f"--set {name}: each row asked for has its own ({', '.join(experiment.rows)}); leave it out"
            )


def _student(asked: Request, study: Study) -> str:
    if has_students(study):
        name = asked.student or STUDENT
        parse_student(name)
        return name
    if asked.student or asked.student_weights:
        option = "--student" if asked.student else "--student-weights"
        raise UserError(f"{option}: {study.name} has no students; transfer is the study of them")
    return ""


def _inputs(asked: Request, usual: str) -> Inputs:
    dataset = choose_dataset(asked.dataset or usual)
    found = Inputs(dataset)
    given = {"--data-root": asked.data_root, "--part-maps": asked.part_maps, "--labels": asked.labels}
    if found.is_embedded and any(given.values()):
        option = next(name for name, value in given.items() if value)
        raise UserError(f"{option}: {dataset} is rendered and has its part maps; name a --dataset on disk")
    world, *others = parse_worlds(asked.worlds)
    if asked.worlds and not found.is_embedded:
        raise UserError(f"--worlds: only rendered people can be drawn anew; leave it out for {found.called}")
    if others:
        raise UserError(
            f"--worlds {asked.worlds}: several are for run, plan, table and power; name one, as {world}"
        )
    usual_backbone = EMBEDDED_BACKBONE if found.is_embedded else USUAL_BACKBONE
    return Inputs(
        dataset=os.path.realpath(expand_home(dataset)) if found.is_csv else dataset,
        data_root=_whole(asked.data_root),
        part_maps=_whole(asked.part_maps),
        allow_partial=asked.allow_partial,
        backbone=choose_backbone(asked.backbone or usual_backbone),
        weights=OPENAI if asked.weights == OPENAI else _whole(asked.weights),
        student_weights=RANDOM if asked.student_weights == RANDOM else _whole(asked.student_weights),
        world=world,
        labels=asked.labels,
    )


def _whole(path: Path | str | None) -> str | None:
    """A path that means the same from any folder."""
    return None if path is None else os.path.realpath(expand_home(path))
