"""Independent random streams, each named by what it drives, all derived from one seed.

A draw added to one stream leaves every other stream as it was, so rows of one seed differ only by what they claim.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` of `seed`; the same on every machine and Python."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_stream(seed: int, name: str) -> np.random.Generator:
    """A numpy generator (PCG64) for the stream `name` of `seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, name)))


def torch_stream(seed: int, name: str) -> "torch.Generator":
    """A torch generator on the CPU for the stream `name` of `seed`; the same draws whatever device trains."""
    import torch  # here, so that tables, which draw by numpy alone, need not load it

    return torch.Generator().manual_seed(derive_seed(seed, name))
