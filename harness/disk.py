"""The commands about data sets on disk: what is there, what should be, and one that is made of another."""

from pathlib import Path

import click

from harness.options import debug_option, disk_option
from harness.paths import OutputFolder, PathText, UserPath


@click.command("check")
@click.option("--dataset", type=PathText(), required=True, metavar="NAME",
              help="market1501, dukemtmc, msmt17, occluded-duke or a csv file (path, person, camera, split; the "
                   "person distractor is a wrong answer, -1 left out).")  # fmt: skip
@disk_option("--data-root", "The folder that holds it.")
@disk_option("--part-maps", "The folder of its part maps, with their meta.json.")
@click.option("--allow-partial", is_flag=True, help="Say nothing of counts and of maps that lack.")
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def check_data(
    dataset: str, data_root: Path | None, part_maps: Path | None, allow_partial: bool, quiet: bool
) -> None:
    """Hold a data set on disk to what it should be: counts, cameras, copies, every picture and part map read once.

    Exit status 2 if anything is wrong; each fault is a line.
    """
    from harness.progress import Progress
    from pivl.data.check import check, describe

    progress = Progress.on_stderr(quiet)
    report = progress.count(dataset, "reading")
    try:
        findings = check(dataset, data_root, part_maps, allow_partial, report)
    finally:
        progress.close()
    click.echo(describe(findings))
    if findings.wrong:
        raise click.exceptions.Exit(2)


@click.command("build-occluded-duke")
@click.argument("duke", type=UserPath())
@click.argument("lists", type=UserPath())
@click.argument("output", type=OutputFolder())
@debug_option
def build_occluded_duke(duke: Path, lists: Path, output: Path) -> None:
    """Lay out Occluded-Duke in OUTPUT: pictures of DukeMTMC-reID in DUKE, named by three name lists in LISTS.

    LISTS holds train.list, query.list and gallery.list, as the authors of Occluded-Duke give them out.
    """
    from pivl.data.occluded_duke import build_occluded_duke as build

    made = build(duke, lists, output)
    click.echo(f"{output}: " + ", ".join(f"{count} {name}" for name, count in made.items()) + " pictures")
