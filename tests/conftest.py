"""What all tests share: one thread each, no telemetry, and a cache folder of one's own for those that ask.

`make test-processors` asks for more threads (TEST_THREADS) and other kernels (OTHER_KERNELS).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = os.environ.get(
    "TEST_THREADS", "1"
)  # read when torch is imported; two threads make small tests erratic
os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell's `&` has it: commands under test would pass over it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=bool(os.environ.get("OTHER_KERNELS")))
def other_kernels() -> Iterator[None]:
    """Another processor's order of sums, drawn from the number in OTHER_KERNELS."""
    from tests.support.other_kernels import OtherKernels

    with OtherKernels(int(os.environ["OTHER_KERNELS"])):
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, not made yet, in which this test's pictures are kept."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PIVL_CACHE", str(folder))
    return folder


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine that does nothing until the test ends."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty mlflow.db as `run` makes it before runs begin, which takes seconds."""
    from harness.display.progress import Progress
    from harness.store.records import Results
    from harness.tracking import refresh

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        results = Results(tmp_path_factory.mktemp("empty"), lambda text: None)
        refresh.prepare(results, Progress(sys.stderr, live=False, quiet=True))
    return results.root / "mlflow.db"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in tests/end_to_end."""
    for item in items:
        if (Path(__file__).parent / "end_to_end") in item.path.parents:
            item.add_marker("end_to_end")
