"""Detects the device: name, memory, precision, number of parallel runs.

torch is loaded where it is asked: what a CPU is called, and how many runs at a time suit it, is known without it.
"""

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from pivl.errors import UserError
from pivl.system.parallel import cores
from pivl.system.processes import cpu_precision, peak_resident_bytes

if TYPE_CHECKING:
    import torch

GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA's driver, the same under WSL, and AMD's


def choose_device(name: str) -> "torch.device":
    """`auto` is CUDA where there is a GPU and else the CPU; UserError for a device that is not there."""
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        raise UserError(f"--device {name}: torch sees none here; try --device cpu")
    return torch.device(name)


def device_without_torch(name: str) -> tuple[str, int]:
    """The device `name` as records have it, and the number of runs at a time."""
    if _is_surely_cpu(name):
        return f"cpu ({_processor()})", _cpu_slots()
    device = choose_device(name)
    return describe_device(device), suitable_slots(device)


def _is_surely_cpu(name: str) -> bool:
    """Whether the device `name` is the CPU, as far as visible without torch."""
    return name == "cpu" or (name == "auto" and not any(Path(path).exists() for path in GPU_FILES))


def suitable_slots(device: "torch.device") -> int:
    """The number of runs at a time: one on a GPU; on a CPU one per core, at 2 GB of memory each."""
    return _cpu_slots() if device.type == "cpu" else 1


def default_jobs(name: str) -> int:
    """The number of runs at a time for the device `name`, a lower bound found without torch."""
    return _cpu_slots() if _is_surely_cpu(name) else 1


def _cpu_slots() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores(), memory // 2**31))


def suitable_precision(name: str) -> str:
    """The precision for the device `name`: bf16 if it computes in it, else fp16 on a GPU and fp32 elsewhere.

    A GPU that is not here, but on the machines of a cluster, is taken to compute in bf16.
    """
    if _is_surely_cpu(name):
        return cpu_precision()
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        return "bf16"
    device = choose_device(name)
    if device.type != "cuda":
        return cpu_precision() if device.type == "cpu" else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def check_precision(device: "torch.device", precision: str) -> None:
    """Raises UserError for fp16 without CUDA: its small gradients need a scaling that torch has only there."""
    if precision == "fp16" and device.type != "cuda":
        raise UserError(f"--precision fp16 needs a CUDA device, not {device.type}; use bf16 or fp32")


def describe_device(device: "torch.device") -> str:
    """The device in words, e.g. `cpu (AMD EPYC)` or `cuda (NVIDIA H100 80GB HBM3)`."""
    if device.type != "cuda":
        return f"{device.type} ({_processor()})"
    import torch

    return f"{device.type} ({torch.cuda.get_device_name(device)})"


def describe_machine() -> str:
    """Cores and processor, e.g. `2 cores of AMD EPYC`."""
    return f"{cores()} cores of {_processor()}"


def peak_memory(device: "torch.device") -> int:
    """The most memory held so far in MB: of the GPU where there is one, else of this process."""
    if device.type == "cuda":
        import torch

        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    return round(peak_resident_bytes() / 2**20)


def _processor() -> str:
    """The processor's model name, from the system."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        lines = facts.read_text(errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
