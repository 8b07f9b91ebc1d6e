"""The embedded parsers by name: their weights, which come with the package, and how they parse (Table 4).

`parser-s`, `parser-m` and `parser-l` are one network after three budgets of training; PARSERS.md is their card. They
parse in float32 on one thread, so that the same pictures give the same maps wherever this is done on one kind of CPU.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pivl.data.part_maps.labels import LIP
from pivl.errors import UserError
from pivl.parsers.logits import check_logits
from pivl.parsers.parser import Parser, describe, parse_resized
from pivl.parsers.unet import UNet
from pivl.system.files import write_atomically
from pivl.towers.file_formats.weights_file import METADATA_KEY, read_state

INPUT_SIZE = (128, 64)  # height, width of the pictures they were trained on
BATCH = 64  # pictures at a time, when a whole set is parsed

Report = Callable[[int, int], object]  # called with the pictures done and the total


def weights_of(name: str) -> Path:
    """Returns the file that comes with the package."""
    return Path(__file__).with_name(f"{name.replace('-', '_')}.safetensors")


def embedded_parser(name: str, weights: Path | None = None) -> Parser:
    """Returns the parser `name`, or its network with other weights. Raises UserError where these cannot be read."""
    path = weights or weights_of(name)
    network = read_network(path)

    def run(batch: Tensor) -> Tensor:
        with one_thread():
            return check_logits(
                network(batch),
                len(batch),
                len(LIP.parts),
                path,
                f"of {name}; name a file of pretrain --parser",
            )

    facts = describe(name, path, INPUT_SIZE, "RGB")
    return Parser(LIP, facts, lambda images: parse_resized(run, images, INPUT_SIZE, "clip"))


def parse_pictures(parser: Parser, image: Tensor, report: Report | None = None) -> Tensor:
    """Returns the part maps of decoded pictures, uint8 [N, 3, H, W] to uint8 [N, H, W]."""
    found: list[Tensor] = []
    for some in image.split(BATCH):
        found += [parsed.part_map for parsed in parser.parse(list(some.permute(0, 2, 3, 1)))]
        if report:
            report(len(found), len(image))
    return torch.stack(found)


def read_network(path: Path) -> UNet:
    """The network of a file that `save_network` wrote, in eval mode; UserError where it is absent or another's."""
    network, (state, _) = UNet(len(LIP.parts)), read_state(path)
    expected = {name: value.shape for name, value in network.state_dict().items()}
    if {name: value.shape for name, value in state.items()} != expected:
        raise UserError(f"{path}: holds no network of the embedded parsers; name a file of pretrain --parser")
    network.load_state_dict(state)
    return network.eval()


def save_network(path: Path, network: UNet, facts: dict[str, Any]) -> None:
    """Write the network as float16 safetensors, `facts` (JSON) as its metadata; the bytes depend on these alone.

    Raises ValueError where a weight does not fit float16, UserError where the file cannot be written.
    """
    from safetensors.torch import save

    state = {
        name: value.detach().to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for name, value in network.state_dict().items()
    }
    if not all(value.isfinite().all() for value in state.values()):
        raise ValueError(f"{path}: weights that are not finite in float16")
    content = save(state, {METADATA_KEY: json.dumps(facts, sort_keys=True)})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in the same order however many cores there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
