"""Work spread over the cores of this machine, by processes that end with their parent."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Result]]:
    """Yield (place in `jobs`, work(*job)) as jobs end, done by `workers` processes, or here by fewer than two.

    Processes are spawned: a script that gets here must do so under `if __name__ == "__main__"`. An error of a job is
    raised here, and the rest is cancelled.
    """
    if workers < 2:
        for place, job in enumerate(jobs):
            yield place, work(*job)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent) as pool:
        running = {pool.submit(work, *job): place for place, job in enumerate(jobs)}
        try:
            for future in as_completed([*running]):
                yield running.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when it is gone, even killed; else a worker waits for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
