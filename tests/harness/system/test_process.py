"""Memory that a computing process keeps: a step makes and drops tensors without asking the system for pages anew."""

import subprocess
import sys

import pytest

STEPS = """
import ctypes, resource, sys, torch
from harness.system.process import MMAP, keep_memory

ctypes.CDLL(None).mallopt(MMAP, 2**17)  # glibc's own threshold, held there: left alone it moves, by luck of the heap
if sys.argv[1] == "keep":
    keep_memory()

def step():
    tensors = [torch.ones(2**20) for _ in range(8)]  # 4 MB each
    del tensors

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    done = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these thresholds")
def test_pages_are_mapped_once(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert 2 * page_faults("keep") < page_faults("leave")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7")  # what someone chose stays
    assert page_faults("keep") > 20 * 8 * 1000  # 4 MB are 1024 pages
