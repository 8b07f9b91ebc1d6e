"""The process that measures: `python -m harness.perf.worker`, asked by a line of JSON, an event a block in return.

It is set up as workers are (harness.system.process.setup_process).
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from harness.display.text import describe_commit
from harness.perf.blocks import dense, embedded, growth, input, ranking, start, step, text
from harness.perf.report import Block
from harness.perf.setting import Setting, choose_paper_size
from harness.system.devices import (
    check_precision,
    choose_device,
    describe_device,
    suitable_precision,
)
from harness.system.process import setup_process, take_stdout, when_input_ends
from harness.system.provenance import read_commit, versions
from pivl.errors import UserError
from pivl.system.parallel import cores

MEASURE: Mapping[str, Callable[[Setting], Block]] = {
    "text": text.measure,
    "dense": dense.measure,
    "input": input.measure,
    "step": step.measure,
    "ranking": ranking.measure,
    "start": start.measure,
    "embedded": embedded.measure,
    "growth": growth.measure,
}


def prepare(asked: Mapping[str, Any]) -> Setting:
    """The requested setting on this machine. Raises UserError if it cannot be had."""
    device = choose_device(asked["device"])
    precision = suitable_precision(device.type) if asked["precision"] == "auto" else asked["precision"]
    check_precision(device, precision)
    backbone = choose_paper_size(asked["backbone"])
    return Setting(device, precision, backbone, asked["quick"], Path(asked["results"]))


def describe(setting: Setting) -> dict[str, str]:
    """The place, time and versions of the measurement."""
    quick = "; quick, so that its figures say little" if setting.quick else ""
    no_gpu = (
        {} if setting.device.type == "cuda" else {"GPU": "none was at hand; nothing here was measured on one"}
    )
    return {
        "Device": f"{describe_device(setting.device)}, {cores()} cores",
        "Asked": f"paper-size figures with {setting.backbone} at {setting.precision}{quick}",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "Commit": describe_commit(*read_commit()),
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        **no_gpu,
    }


def main() -> int:
    """Measures the blocks that standard input asks for; a user's mistake is an event."""
    asked, send = json.loads(sys.stdin.readline()), take_stdout()
    when_input_ends(partial(os._exit, 1))
    setup_process()
    try:
        setting = prepare(asked)
        send({"event": "setting", "setting": describe(setting)})
        for name in asked["blocks"]:
            send({"event": "phase", "phase": name})
            send({"event": "block", "block": asdict(MEASURE[name](setting))})
    except UserError as error:
        send({"event": "user-error", "message": str(error)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
