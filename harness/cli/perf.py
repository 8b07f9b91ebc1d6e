"""The command `pivl-bench perf`: a process that is set up as workers are measures, and what it tells is printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import debug_option, output_option, path_option

if TYPE_CHECKING:
    from harness.perf.report import Report

BLOCKS = ("text", "dense", "input", "step", "ranking", "start", "embedded", "growth")


@click.command()
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
def perf(form: str, output: Path | None, only: str | None, **asked: Any) -> None:
    """Benchmark the speed of training and evaluation, against hardware limits, plain versions and targets.

    Takes about three minutes on two cores; leave the machine alone meanwhile. Two versions are timed in turn in
    one process, so that a busy machine slows both alike.
    """
    from harness.inputs.choices import choose, choose_all
    from harness.perf.report import PRINTERS
    from pivl.system.outputs import write_text_output

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    blocks = choose_all("block", only, BLOCKS) if only else BLOCKS
    text = print_as(_measure({**asked, "results": str(asked["results"]), "blocks": blocks}))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_output(output, text)


def _measure(asked: Mapping[str, Any]) -> "Report":
    """What the process tells; UserError where it cannot do what was asked, or ends otherwise."""
    import json
    import subprocess
    import sys

    from harness.display.progress import Progress
    from harness.perf.report import Block, Report
    from harness.system.process import worker_environment
    from pivl.errors import UserError

    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.perf.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=worker_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    progress = Progress.on_stderr(quiet=False)
    setting: dict[str, str] = {}
    blocks: list[Block] = []
    with process:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()  # and left open: it ends with this process, and the other one then does
        for line in process.stdout:
            match json.loads(line):
                case {"setting": found}:
                    setting = found
                case {"doing": name}:
                    progress.update(
                        "perf", f"measuring {name}, {len(blocks)} of {len(asked['blocks'])} blocks done"
                    )
                case {"block": found}:
                    blocks.append(Block.from_json(found))
                case {"mistake": message}:
                    raise UserError(message)
    progress.close()
    if process.returncode:
        raise UserError("the measuring process failed, as it says above; try --only other blocks, or --quick")
    return Report(setting, tuple(blocks))
