"""The command `pivl-bench perf`: a process that is set up as workers are measures, and what it tells is printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import GroupedCommand, collect, debug_option, output_option, path_option
from harness.cli.paths import deliver

if TYPE_CHECKING:
    from harness.perf.report import Report

BLOCKS = ("text", "dense", "input", "step", "ranking", "start", "embedded", "growth")


@dataclass(frozen=True)
class Measurement:
    """The options of what is measured, as typed."""

    device: str
    precision: str
    backbone: str
    quick: bool
    results: Path


@collect(wanted=Measurement)
@click.command(cls=GroupedCommand)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="What is measured; auto: a GPU if CUDA has one, else the CPU.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True,
              help="Of the paper-size step; auto: bf16 on a GPU that has it, else fp32.")  # fmt: skip
@click.option(
    "--backbone", default="rn50", show_default=True, metavar="NAME", help="Of the paper-size figures."
)
@click.option("--format", "form", default="text", show_default=True, help="text, markdown or json.")
@output_option("A file instead of the screen.")
@click.option("--only", metavar="BLOCKS", help=f"Some of {', '.join(BLOCKS)}.")
@click.option("--quick", is_flag=True, help="Small sizes and one round: does it work, not how fast is it.")
@path_option("--results", "results", "Where runs are recorded, whose times are shown.")
@debug_option
def perf(wanted: Measurement, form: str, output: Path | None, only: str | None) -> None:
    """Benchmark the speed of training and evaluation, against hardware limits, plain versions and targets.

    Takes about three minutes on two cores; leave the machine alone meanwhile. Two versions are timed in turn in
    one process, so that a busy machine slows both alike.
    """
    from harness.inputs.choices import choose, choose_all
    from harness.perf.report import PRINTERS

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    blocks = choose_all("block", only, BLOCKS) if only else BLOCKS
    text = print_as(_measure(wanted, blocks))
    deliver(text, output)


def _measure(wanted: Measurement, names: Sequence[str]) -> "Report":
    """The report of the measuring process. Raises UserError if it refuses the request or crashes."""
    from harness.display.progress import Progress
    from harness.perf.report import Block, Report
    from harness.system.worker_process import ProcessFailed, WorkerProcess
    from pivl.errors import UserError

    progress = Progress.on_stderr(quiet=False)
    setting: dict[str, str] = {}
    blocks: list[Block] = []
    try:
        asked = {**asdict(wanted), "results": str(wanted.results), "blocks": names}
        for event in WorkerProcess.ask(("harness.perf.worker",), asked):
            match event["event"]:
                case "setting":
                    setting = event["setting"]
                case "phase":
                    done = f"{len(blocks)} of {len(names)} blocks done"
                    progress.update("perf", f"measuring {event['phase']}, {done}")
                case "block":
                    blocks.append(Block.from_json(event["block"]))
                case "user-error":
                    raise UserError(event["message"])
    except ProcessFailed as error:
        raise UserError(
            f"the measuring process failed: {error}; try --only other blocks, or --quick"
        ) from error
    finally:
        progress.close()
    return Report(setting, tuple(blocks))
