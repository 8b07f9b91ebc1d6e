"""How a process of ours gets its memory on Linux: without giving it back between two steps.

A training step makes and drops the same tensors of 1 to 30 MB again and again. Left to itself glibc takes those from the
system and returns them each time, and every page is mapped and cleared anew: 1.4 million page faults in 40 steps of the
embedded PI-VL, a twelfth of its time. Thresholds that keep freed memory end that; no number changes. Where there is no
glibc nothing is set.
"""

import ctypes
import os

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 2**31 - 1  # bytes of free memory that are not returned, the most that glibc takes
LARGEST = 2**25  # bytes; larger requests are served by the system, the most that glibc allows


def keep_memory() -> None:
    """Let this process keep what it frees, unless someone has chosen glibc's tunables."""
    if "GLIBC_TUNABLES" not in os.environ:
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(TRIM, KEPT)
            set_option(MMAP, LARGEST)
