"""Commands of pivl-bench as a person types them, as processes of their own or in this one; their children and kills."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress

import click
import pytest

from harness.cli.main import commands, main


def start(folder, *typed):
    """The command line in a process of its own, in `folder`."""
    code = "from harness.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.Popen(
        [sys.executable, "-c", code, *typed],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(folder, *typed):
    """Status, standard output and standard error of a command that ends by itself."""
    process = start(folder, *typed)
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


def run_code(code, *typed, **options):
    """A finished process of `code`, its output as text, and the seconds of processor time that it took.

    Unlike the clock's, these are about the same on a busy machine.
    """
    before = _child_seconds()
    command = [sys.executable, "-c", code, *typed]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **options)
    return done, _child_seconds() - before


def _child_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_for(condition, process):
    """Wait until `condition` holds while `process` goes on."""
    end = time.monotonic() + 600  # patience for a busy machine
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def stored(folder, kind):
    """The whole folders of runs or stages."""
    path = folder / "results" / kind
    return sorted(one for one in path.iterdir() if not one.name.startswith(".")) if path.exists() else []


def kill_all(process):
    """Kill a command and its workers, as when the machine is switched off."""
    for one in (process.pid, *children(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.communicate()


def timeless_record(folder):
    """The record of a run but for what depends on when and how fast it was made."""
    record = json.loads((folder / "record.json").read_text())
    record.get("inference", {}).pop("images_per_second", None)
    return {name: value for name, value in record.items() if name not in ("date", "cost", "checksum")}


def children(parent):
    """The processes that `parent` started."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def is_running(pid):
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run_main(*typed):
    """The exit status of the command line, in this process."""
    with pytest.raises(SystemExit) as end:
        main(typed)
    return end.value.code


def parse(words):
    """The click command that `words` name and its values; raises click.UsageError for what does not exist."""
    command, context, rest = commands, None, list(words)
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(click.Context(command), rest)
    context = command.make_context("pivl-bench", rest)
    return command, context.params
