"""The commands `pivl-bench data`: data sets on disk are checked; embedded ones are shown, exported and described."""

from collections.abc import Callable
from pathlib import Path

import click

from harness.cli import completion
from harness.cli.options import (
    GroupedCommand,
    debug_option,
    disk_option,
    labels_option,
    output_option,
    parse_size,
    path_option,
    preset_option,
    quiet_option,
)
from harness.cli.paths import OutputFolder, PathText, UserPath


def rounding_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--rounding: the file that says what rounding alone does to rows of the embedded benchmark."""
    default = Path("results", "reference", "rounding.json")
    return click.option("--rounding", type=UserPath(), default=default, show_default=True, help=text)


@click.group()
def data() -> None:
    """Check data sets on disk; show or export the embedded ones."""


@data.command("check", cls=GroupedCommand)
@click.option("--dataset", type=PathText(completion.datasets), required=True, metavar="NAME",
              help="market1501, dukemtmc, msmt17, occluded-duke or a csv file (path, person, camera, split; the "
                   "person distractor is a wrong answer, -1 left out).")  # fmt: skip
@disk_option("--data-root", "The folder that holds it.")
@disk_option("--part-maps", "The folder of its part maps.")
@labels_option
@click.option("--allow-partial", is_flag=True, help="Accept missing images and part maps.")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def check_data(
    dataset: str,
    data_root: Path | None,
    part_maps: Path | None,
    labels: str | None,
    allow_partial: bool,
    quiet: bool,
) -> None:
    """Check a data set on disk: counts, cameras, copies, unreadable files.

    Reads every image and part map once. Exit status 2 if anything is wrong; each fault is a line.
    """
    from harness.display.progress import Progress
    from pivl.data.datasets.check import check, describe

    progress = Progress.on_stderr(quiet)
    report = progress.count(dataset, "reading")
    try:
        findings = check(dataset, data_root, part_maps, allow_partial, report, labels)
    finally:
        progress.close()
    click.echo(describe(findings))
    if findings.wrong:
        raise click.exceptions.Exit(2)


@data.command("build-occluded-duke")
@click.argument("duke", type=UserPath())
@click.argument("lists", type=UserPath())
@click.argument("output", type=OutputFolder())
@debug_option
def build_occluded_duke(duke: Path, lists: Path, output: Path) -> None:
    """Lay out Occluded-Duke in OUTPUT: images of DukeMTMC-reID in DUKE, named by three name lists in LISTS.

    LISTS holds train.list, query.list and gallery.list, as the authors of Occluded-Duke give them out.
    """
    from pivl.data.datasets.occluded_duke import build_occluded_duke as build

    made = build(duke, lists, output)
    click.echo(f"{output}: " + ", ".join(f"{count} {name}" for name, count in made.items()) + " images")


@data.command("show")
@click.argument("dataset")
@output_option("The image to write.", "sheet.png")
@debug_option
def show_data(dataset: str, output: Path) -> None:
    """Draw a contact sheet of DATASET (synthped): identities, their part maps and a legend."""
    from harness.display.progress import Progress
    from harness.inputs import loading, spec
    from pivl.synthped.contact_sheet import draw_sheet

    size = spec.find_config(dataset).size
    draw_sheet(loading.load(spec.Inputs(dataset), size, Progress.on_stderr(quiet=False)), output)
    click.echo(f"{output}: written")


@data.command("export")
@click.argument("dataset")
@click.argument("folder", type=OutputFolder())
@click.option("--layout", default="market1501", show_default=True, help="How the files are laid out.")
@click.option(
    "--size", default="256x128", show_default=True, metavar="HxW", help="Height and width in pixels."
)
@click.option("--people", type=int, metavar="N", help="Only the first N training and the first N test identities, "
              "with all their images.  [default: all]")  # fmt: skip
@quiet_option("counts of what was written")
@debug_option
def export_data(dataset: str, folder: Path, layout: str, size: str, people: int | None, quiet: bool) -> None:
    """Write DATASET (synthped) into FOLDER as Market-1501 comes, with part maps as SCHP writes them.

    All of synthped takes some minutes, --people 20 less than one.
    """
    from shlex import join

    from harness.display.progress import Progress
    from harness.inputs import spec
    from harness.inputs.choices import choose
    from pivl.synthped.export import export_market, plan_export

    choose("layout", layout, ["market1501"])
    height_width, config = parse_size(size), spec.find_config(dataset)
    counts = plan_export(config, folder, people)
    images = ", ".join(f"{one.images} {which}" for which, one in counts.items())
    mapped = counts["train"].images
    progress = Progress.on_stderr(quiet)
    progress.note(f"{dataset}: {images} images and {mapped} part maps to write into {folder}")
    maps = export_market(config, height_width, folder, people, lambda doing: progress.count(dataset, doing))
    progress.close()
    click.echo(f"{folder}: {dataset} in the layout of {layout}, {images} images; "
               f"{mapped} part maps in {maps}")  # fmt: skip
    check = ["pivl-bench", "data", "check", "--dataset", layout, "--data-root", str(folder)]
    click.echo(f"next: {join(check)}")


@data.command("rounding", cls=GroupedCommand)
@click.argument("here", type=UserPath())
@click.argument("other", type=UserPath())
@click.option("--rows", default="clip-reid,pi-vl", show_default=True, help="Rows of the ablation.")
@click.option("--seeds", default="0-4", show_default=True, help="Their seeds.")
@preset_option("default, long, or smoke: of few identities.")
@rounding_option("The file that stores the result, by precision.")
@debug_option
def compare_rounding(here: Path, other: Path, rows: str, seeds: str, preset: str, rounding: Path) -> None:
    """Compare the mAP of the same runs in results folders HERE and OTHER, which differ only in rounding.

    For example by MKL_CBWR=COMPATIBLE pivl-bench run ablation --rows clip-reid,pi-vl --seeds 0-4 --results OTHER, or
    by another processor.
    """
    from harness.display.progress import Progress
    from harness.experiment.request import Request
    from harness.experiment.resolve import resolve
    from harness.report.rounding import compare_arithmetic, keep
    from harness.report.study_table import read_outcomes
    from harness.store.records import Results

    progress = Progress.on_stderr(quiet=False)
    both = []
    for folder in (here, other):
        store = Results(folder, progress.warn)
        experiment = resolve(Request("ablation", preset, rows=rows, seeds=seeds), store)
        both.append((experiment.precision, read_outcomes(experiment, store, progress)))
    (precision, ours), (_, theirs) = both
    keep(rounding, precision, compare_arithmetic(ours, theirs))
    click.echo(f"{rounding}: {precision}")


@data.command("card", cls=GroupedCommand)
@path_option("--results", "results", "Where runs of CLIP-ReID are recorded.")
@output_option("The card to write.", "synthped.md")
@preset_option("default, long, or smoke: of its few identities.")
@rounding_option("The file that data rounding wrote.")
@debug_option
def card_data(results: Path, output: Path, preset: str, rounding: Path) -> None:
    """Write the card of synthped: how it is made, the criteria that fixed it, and the values measured for them.

    Needs finished runs of CLIP-ReID: pivl-bench run ablation --rows clip-reid. The effect of rounding is included if
    pivl-bench data rounding has measured it, and the gain of exact descriptions if tables of controls are beside that
    file.
    """
    from harness.display.progress import Progress
    from harness.experiment.request import Request
    from harness.experiment.resolve import resolve
    from harness.inputs import loading, spec
    from harness.report import benchmark_card
    from harness.report.study_table import read_outcomes
    from harness.store.records import Finished, Results
    from pivl.errors import UserError
    from pivl.synthped.names import CLIP_WEIGHTS
    from pivl.system.json_files import read_json
    from pivl.system.outputs import write_text_output
    from pivl.towers.file_formats.weights_file import read_state

    progress = Progress.on_stderr(quiet=False)
    store = Results(results, progress.warn)
    experiment = resolve(Request("ablation", preset, rows="clip-reid"), store)
    recorded = read_outcomes(experiment, store, progress)["clip-reid"]
    runs = [run for run in recorded.values() if isinstance(run, Finished)]
    if not runs:
        raise UserError(
            f"{results} has no finished run of CLIP-ReID; first: pivl-bench run ablation --rows clip-reid"
        )
    _, metadata = read_state(CLIP_WEIGHTS[experiment.inputs.backbone])
    config = spec.find_config(experiment.inputs.dataset)
    noted = read_json(rounding) if rounding.exists() else {}
    tables = {study: rounding.with_name(f"{study}.json") for study in benchmark_card.BOUNDS}
    controls = {study: read_json(path) for study, path in tables.items() if path.exists()}
    criteria = metadata["extra"]["criteria"]
    part_map = loading.load(experiment.inputs, config.size, progress).train.part_map
    assert part_map is not None  # rendered people have exact ones
    person = benchmark_card.measure_person_cells(part_map)
    write_text_output(output, benchmark_card.describe(config, runs, criteria, person, noted, controls))
    click.echo(f"{output}: the card of synthped")
