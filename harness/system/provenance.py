"""Describes the provenance of a record: versions, commit, device and date."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.system.code_digest import code_digest

if TYPE_CHECKING:
    import torch
from harness.system.devices import describe_device
from harness.system.process import allows_tf32

PACKAGES = ("pivl-bench", "torch", "open_clip_torch", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def describe_origin(device: "torch.device") -> dict[str, Any]:
    """The provenance that a record stores: place, time, versions."""
    commit, dirty = read_commit()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    place = {"device": describe_device(device), "tf32": allows_tf32(), "versions": versions()}
    return {**place, "commit": commit, "dirty": dirty, "code": code_digest(), "date": date}


@lru_cache(maxsize=1)
def read_commit() -> tuple[str, bool]:
    """The commit of this source and whether its files have changed since; the version without a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return f"v{_version('pivl-bench')}", False
    head = _git(source, "rev-parse", "--short=12", "HEAD")
    return head or "unknown", bool(_git(source, "status", "--porcelain", "--untracked-files=no"))


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
