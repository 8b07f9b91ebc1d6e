"""Independent random streams, each named by what it drives, all derived from one seed.

A draw added to one stream leaves every other stream as it was, so rows of one seed differ only by what they claim.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, name: str) -> int:
    """Returns a 63-bit seed for the stream `name` of `seed`; the same on every machine and Python."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_stream(seed: int, name: str) -> np.random.Generator:
    """Returns a numpy generator (PCG64) for the stream `name` of `seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, name)))


def torch_stream(seed: int, name: str) -> "torch.Generator":
    """Returns a torch generator on the CPU for the stream `name` of `seed`; the same draws whatever device trains."""
    import torch  # here, so that tables, which draw by numpy alone, need not load it

    return torch.Generator().manual_seed(derive_seed(seed, name))


class Streams:
    """The torch streams of one seed that a training draws from as it goes; their states can be taken and put back."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._open: dict[str, torch.Generator] = {}
        self._marked: dict[torch.Generator, torch.Tensor] = {}

    def open(self, name: str) -> "torch.Generator":
        """Returns the stream `name`, the same generator for every asker."""
        if name not in self._open:
            self._open[name] = torch_stream(self._seed, name)
        return self._open[name]

    def mark(self, stream: "torch.Generator") -> "torch.Generator":
        """Returns an open stream, whose state counts as it is now until the next mark: what follows is drawn again."""
        self._marked[stream] = stream.get_state()
        return stream

    def states(self) -> "dict[str, torch.Tensor]":
        """Returns the state of every stream by name, as it is or as it was when last marked."""
        return {name: self._marked.get(stream, stream.get_state()) for name, stream in self._open.items()}

    def put_back(self, states: "Mapping[str, torch.Tensor]") -> None:
        """Let every open stream go on from its state in `states`. Raises ValueError where those are of other streams."""
        if states.keys() != self._open.keys():
            raise ValueError(f"streams {', '.join(states)} instead of {', '.join(self._open)}")
        for name, state in states.items():
            self._open[name].set_state(state)
