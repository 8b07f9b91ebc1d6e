"""A scripted module with every kind of attribute that TorchScript can hold."""

import torch
from torch import Tensor, nn


class Part(nn.Module):
    """Every kind of attribute that a scripted module may have beside its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 4).half())
        self.register_buffer("kept", torch.arange(3))
        self.register_buffer("left_out", torch.ones(2), persistent=False)
        self.register_buffer("every_other", torch.arange(12.0).view(3, 4)[:, ::2])
        self.plain, self.several, self.scale = torch.ones(5), [torch.ones(1)], 0.5
        self.numbers, self.none = [1, 2], None

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w.float() + self.plain.sum() + len(self.several) + len(self.numbers) + self.scale


class Whole(nn.Module):
    """Modules below modules, lists of them, two of one class, and batch norm's counters."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = Part(), Part(), nn.BatchNorm1d(2)
        self.rows = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 2, bias=False)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x) + self.b(x)
        for row in self.rows:
            x = row(x)
        return self.norm(x)
