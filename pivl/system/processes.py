"""Processes and their machine: who is at work, how much memory it took, and in what precision this CPU is quick.

A process is named so that others can tell, now or later, whether it is still there.

A process id alone is soon used again, and means nothing on another machine or in another container; together with
the machine and the moment the process started it means one process for ever.
"""

import hashlib
import os
import resource
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process: the host's name for people, a digest of the machine, the process id there and its start."""

    host: str
    machine: str
    number: int
    born: str

    def __str__(self) -> str:
        """Returns a piece of a file name that `parse` reads."""
        return f"{self.host}~{self.machine}~{self.number}~{self.born}"

    @classmethod
    def parse(cls, text: str) -> "Process | None":
        """Returns the process that `text` names; None where it names none."""
        match text.split("~"):
            case [host, machine, number, born] if is_number(number):
                return cls(host, machine, int(number), born)
        return None

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that it can be looked for."""
        return self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it has ended; of another machine's processes nobody here knows, and this says False."""
        return self.is_here and _birth(self.number) != self.born


def is_number(text: str) -> bool:
    """Returns whether `text` is a whole number in plain digits, and none of absurd length."""
    return text.isascii() and text.isdigit() and len(text) < 16


def this_process() -> Process:
    """Returns the process that asks."""
    return Process(_host(), _machine(), os.getpid(), _birth(os.getpid()))


def peak_resident_bytes() -> int:
    """Returns the most memory that this process has held so far.

    On Linux as /proc has it: what the system's getrusage says begins with what the process held that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_precision() -> str:
    """bf16 on a CPU that has instructions for it, as Linux tells; else fp32, for without them bf16 is the slower one."""
    facts = Path("/proc/cpuinfo")
    known = facts.read_text(errors="replace").split() if facts.exists() else []
    return "bf16" if "avx512_bf16" in known else "fp32"


def _host() -> str:
    return "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())


@cache
def _machine() -> str:
    """Returns a digest that changes with the host, its boot and, on Linux, the container's own count of processes."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    facts = [_host()]
    if boot.exists():
        facts += [boot.read_text().strip(), os.readlink(namespace)]
    return hashlib.sha256(" ".join(facts).encode()).hexdigest()[:8]


def _birth(number: int) -> str:
    """When the process `number` started, as its system counts; empty where there is none, or only a dead one."""
    if Path("/proc/self/stat").exists():
        try:
            state, *fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if state in "ZX" else fields[18]
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(number)]  # macOS
    state, *words = subprocess.run(asked, capture_output=True, text=True).stdout.split() or ["Z"]
    return "" if state.startswith("Z") else "-".join(words).replace(":", "")
