"""What the fault tests share: commands as processes of their own, kills at drawn moments, and what must be equal then."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.store.claims import Claims

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from harness.cli.main import main; main()"]
STUDY = ("run", "ablation", "--preset", "smoke", "--no-mlflow", "--retry-failed", "--device", "cpu")
TIMES = ("cost", "date", "checksum")


def environment() -> dict[str, str]:
    """What lets a process find this copy of the packages from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(folder: Path, *typed: str, **options) -> subprocess.Popen[str]:
    """The command line in a process of its own, in `folder`; its output goes to files without a name."""
    out, err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115 (`said` closes them)
    process = subprocess.Popen(
        [*COMMAND, *typed], cwd=folder, env=environment(), stdout=out, stderr=err, text=True, **options
    )
    process.stdout, process.stderr = out, err
    return process


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Status, standard output and standard error of a process once it has ended."""
    status = process.wait(timeout=900)
    told = []
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        with stream:
            stream.seek(0)
            told.append(stream.read())
    return status, told[0], told[1]


def finish(folder: Path, *typed: str, **options) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command that ends by itself."""
    return said(start(folder, *typed, **options))


def below(parent: int) -> list[int]:
    """The processes that `parent` started, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, new = [], [parent]
    while new:
        new = [child for one in new for child in parents.get(one, [])]
        found += new
    return found


def alive(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def about(folder: Path) -> list[str]:
    """The command lines of processes that have to do with `folder`: their own folder, or named in their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            here = os.readlink(process / "cwd")
        except OSError:
            continue
        if int(process.name) != os.getpid() and (str(folder) in words or here == str(folder)):
            found.append(words)
    return found


def kill(process: int) -> None:
    """SIGKILL, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@dataclass
class Watch:
    """Sees which finished folders appear, and that none of them is ever written again."""

    results: Path
    seen: dict[str, int] = field(default_factory=dict)
    rewritten: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(default_factory=threading.Thread)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            for path in self.results.glob("[rs]*/[!.]*/record.json"):
                try:
                    with open(path) as file:
                        number, record = os.fstat(file.fileno()).st_ino, json.load(file)
                except OSError:
                    continue
                name = f"{path.parent.parent.name}/{path.parent.name}"
                if record["status"] == "finished" and self.seen.setdefault(name, number) != number:
                    self.rewritten.append(name)


def disturb(folder: Path, typed: tuple[str, ...], rounds: int, draw: random.Random, commands: int = 1) -> int:
    """Keep `commands` going and kill something of them `rounds` times: a launcher, one of its workers, or all at once.

    Most kills come while tasks are being done: as long after one has begun as a quarter of the time that it took to
    get there, which goes with how busy the machine is. The others come at any time before. How many met one at work.
    """
    running: list[subprocess.Popen[str]] = []
    met, startup = 0, 5.0
    for _ in range(rounds):
        for ended in [one for one in running if one.poll() is not None]:
            running.remove(ended)
            said(ended)
        began, is_new = time.monotonic(), len(running) < commands
        running += [start(folder, *typed) for _ in range(commands - len(running))]
        if draw.random() < 0.8:
            wait_until(partial(_is_begun, folder, running), 300)
            startup = time.monotonic() - began if is_new else startup
            time.sleep(draw.uniform(0, 0.25 * startup))
        else:
            time.sleep(draw.uniform(0, startup))
        met += at_work(folder)
        victim, target = draw.choice(running), draw.choice(["launcher", "worker", "all"])
        if victim.poll() is not None:
            continue  # its number may be another process's by now
        workers = below(victim.pid)
        if target == "worker" and workers:
            kill(draw.choice(workers))
        else:
            victim.kill()
            for one in workers if target == "all" else ():
                kill(one)
            victim.wait()
    for one in running:
        workers = below(one.pid) if one.poll() is None else []
        one.kill()
        for worker in workers:
            kill(worker)
        said(one)
    return met


def _is_begun(folder: Path, running: list[subprocess.Popen[str]]) -> bool:
    return at_work(folder) or all(one.poll() is not None for one in running)


def at_work(folder: Path) -> bool:
    """Whether somebody living is at a task."""
    claims = Claims(folder / "results" / "claims")
    return any(not claims.looks_dead(owner) for owner in claims.owners())


def fair(seconds: float) -> float:
    """That time on a machine that has nothing else to do; more where others want its cores too."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(condition, seconds: float) -> bool:
    """Whether `condition` came true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stored(folder: Path) -> dict[str, object]:
    """What is stored, times aside: each record, and each file beside it, by name."""
    found: dict[str, object] = {}
    for path in sorted((folder / "results").glob("[rs]*/*/*")):
        name = str(path.relative_to(folder))
        if path.name == "record.json":
            record = json.loads(path.read_text())
            record.get("inference", {}).pop("images_per_second", None)
            found[name] = {key: value for key, value in record.items() if key not in TIMES}
        else:
            found[name] = path.read_bytes()
    return found


def table(text: str) -> str:
    """A printed table without the day."""
    return re.sub(r"\d{4}-\d\d-\d\d", "", text)


def leftovers(folder: Path, unfinished: bool = False) -> list[str]:
    """What has no business there after a command: claims, what is half written and, if all is done, checkpoints."""
    results = folder / "results"
    hidden = [path for path in results.rglob("*") if path.name.startswith(".")]
    busy = [
        path for kind in ("claims", "checkpoints")[: 2 - unfinished] for path in (results / kind).glob("*")
    ]
    return [str(path.relative_to(folder)) for path in (*hidden, *busy)]
