"""Ranks one test-set size in a process of its own, whose peak memory is that size's: JSON in, an event out.

`python -m harness.perf.blocks.ranking_process`; run by harness.perf.blocks.ranking.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from harness.perf.timing import seconds, synchronise
from harness.system.devices import peak_memory
from harness.system.process import take_stdout
from pivl.evaluation.reranking import rerank
from pivl.evaluation.retrieval import AT_ONCE, Descriptors, matches_and_junk, rank_matches, squared_distances

SORTED = 16  # queries whose gallery is sorted whole


@dataclass(frozen=True)
class Size:
    """Pictures and people of a test set, the descriptors' width, and how many of the queries are ranked (0: re-rank)."""

    name: str
    queries: int
    gallery: int
    people: int
    cameras: int
    width: int
    ranked: int
    device: str
    threads: int


@dataclass(frozen=True)
class Ranked:
    """Seconds of the ranked queries' distances, of their ranking, of the matrix product alone; of sorting SORTED.

    peak, before: MB of the process, at most and when it had imported everything and drawn no descriptor.
    """

    distances: float
    ranking: float
    product: float
    sorting: float
    reranking: float
    peak: int
    before: int


def draw(size: Size, count: int, seed: int) -> Descriptors:
    """`count` pictures, each near the middle of its person."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.randn(size.people, size.width, generator=torch.Generator().manual_seed(0))
    person = torch.randint(size.people, (count,), generator=generator)
    camera = torch.randint(size.cameras, (count,), generator=generator)
    descriptor = torch.empty(count, size.width, device=size.device)
    for rows in torch.arange(count).split(1024):  # in place: a copy would be the peak that is measured
        noise = torch.randn(len(rows), size.width, generator=generator)
        one = middle[person[rows]] + 1.5 * noise
        descriptor[rows[0] : rows[-1] + 1] = one / one.norm(dim=1, keepdim=True)
    return Descriptors(descriptor, person, camera)


def measure(size: Size) -> Ranked:
    """Ranks or re-rank a test set of that size."""
    torch.set_num_threads(size.threads)
    device = torch.device(size.device)
    before = peak_memory(device)
    query, gallery = draw(size, size.queries, 1), draw(size, size.gallery, 2)
    if not size.ranked:
        taken = seconds(lambda: rerank(query, gallery), device)
        return Ranked(0, 0, 0, 0, taken, peak_memory(device), before)
    distances, sought = squared_distances(query, gallery), matches_and_junk(query, gallery)
    clock = Clock(device)
    step = max(1, AT_ONCE // size.gallery)
    for start in range(0, size.ranked, step):
        some = slice(start, min(start + step, size.ranked))
        near = clock.take("distances", partial(distances, some))
        clock.take("ranking", partial(rank_matches, near, sought[some]))
        del near
        clock.take("product", partial(torch.matmul, query.descriptor[some], gallery.descriptor.T))
    peak = peak_memory(device)
    few = distances(slice(0, SORTED)).cpu()
    clock.take("sorting", partial(few.argsort, dim=1))
    return Ranked(**clock.seconds, reranking=0, peak=peak, before=before)


@dataclass
class Clock:
    """Adds up the seconds of works by name."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, work: Callable[[], Any]) -> Any:
        """Returns the result of `work`; adds its duration to `name`."""
        synchronise(self.device)
        began = time.perf_counter()
        found = work()
        synchronise(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        return found


if __name__ == "__main__":
    send = take_stdout()
    send({"event": "ranked", "ranked": asdict(measure(Size(**json.loads(sys.stdin.readline()))))})
