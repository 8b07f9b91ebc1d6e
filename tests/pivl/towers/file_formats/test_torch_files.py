"""Archives of torch are read as data: what torch.jit.load and torch.load would give, and no code of a file runs."""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.serialization import set_crc32_options

from pivl.errors import UserError
from pivl.towers.file_formats.weights_file import read_state
from tests.support.clip_files import save_torchscript
from tests.support.scripted_modules import Whole

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning", "ignore:.*torch.jit.*:DeprecationWarning"
)


class Tied(nn.Module):
    """One tensor under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


MADE: dict[str, Callable[[], Any]] = {
    "script": lambda: torch.jit.script(Whole().eval()),
    "trace": lambda: torch.jit.trace(Whole().eval(), torch.ones(2, 3)),
    "tied": lambda: torch.jit.script(Tied()),
    "half": lambda: torch.jit.script(Tied().half()),
    "double": lambda: torch.jit.script(Tied().double()),
    "bfloat16": lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).bfloat16()),
    "one level": lambda: torch.jit.script(nn.BatchNorm1d(3)),
}


@pytest.mark.parametrize("kind", MADE)
def test_an_archive_has_the_tensors_that_torch_loads_by_running_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.jit.save(MADE[kind](), path)
    expected = torch.jit.load(path).state_dict()
    found, _ = read_state(path)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value.float() if value.is_floating_point() else value), name


def test_what_tells_constants_from_weights_is_the_archives_own_word(tmp_path: Path) -> None:
    """OpenAI's archives have three numbers as buffers that are no weights, and constants of their own beside."""
    state = {"visual.proj": torch.randn(2, 2), "positional_embedding": torch.randn(3)}
    save_torchscript(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert any(name.endswith("/constants.pkl") for name in archive.namelist())
    assert read_state(tmp_path / "a.pt")[0].keys() == state.keys()


class Evil(nn.Module):
    """What writes a file when torch.jit.load restores it."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.zeros(2)
        self.training = True

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return (self.w, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        self.w, self.training = state[0], state[1]
        torch.save(state[0], "written_by_the_weights_file")

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_no_code_of_an_archive_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pivl.parsers.schp import read_network
    from pivl.towers.weights import load_clip

    monkeypatch.chdir(tmp_path)
    inner = nn.Sequential(nn.Linear(2, 2), Evil())
    for number, module in enumerate((Evil(), inner)):
        path = tmp_path / f"evil{number}.pt"
        torch.jit.save(torch.jit.script(module), path)
        for read in (read_state, load_clip, read_network):
            with pytest.raises(
                UserError, match=r"evil\d.pt: its __torch__.*Evil restores itself by code, which is not run"
            ):
                read(path)
    assert not (tmp_path / "written_by_the_weights_file").exists()
    torch.jit.load(tmp_path / "evil0.pt")
    assert (tmp_path / "written_by_the_weights_file").exists()  # the archive does what it is feared for


def describe(path: Path, view: tuple[Any, ...], count: int = 4) -> None:
    """An archive whose one tensor says that it is `view` (offset, shape, strides) of `count` stored numbers."""
    torch.save({"w": torch.zeros(4), "v": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if not name.endswith("data.pkl")}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            is_storage = isinstance(value, str) and value == "STORAGE"
            return ("storage", torch.FloatStorage, "0", "cpu", count) if is_storage else None

    class Tensorlike:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, ("STORAGE", *view, False, {})

    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("archive/data.pkl", "w") as file:
            Pickler(file, protocol=2).dump({"w": Tensorlike()})
        for name, content in kept.items():
            archive.writestr(f"archive/{name.partition('/')[2]}", content)


@pytest.mark.parametrize(
    "view",
    [
        (0, (5,), (1,)), (1, (4,), (1,)), (-1, (2,), (1,)), (0, (2, 2), (3, 1)), (0, (2,), (-1,)), (0, (-2,), (1,)),
        (0, (2**40,), (0,)), (2**60, (0,), (1,)), (0, (2,), ()), (0, (1,) * 65, (1,) * 65), (0, (2.0,), (1,)),
        (0, ("2",), (1,)), ("0", (2,), (1,)), (0, 2, 1), (0, (2**70,), (1,)), (0, (2**28,), (0,)),
    ],
)  # fmt: skip
def test_a_tensor_beyond_what_is_stored_is_refused(view: tuple[Any, ...], tmp_path: Path) -> None:
    describe(tmp_path / "a.pt", view)
    with pytest.raises(
        UserError, match=r"a\.pt: not whole weights that torch writes; copy or download it again"
    ):
        read_state(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "view", [(0, (2, 2), (2, 1)), (1, (3,), (1,)), (0, (2, 2), (1, 2)), (0, (3, 2), (0, 1)), (0, (), ())]
)
def test_a_view_of_what_is_stored_is_read(view: tuple[Any, ...], tmp_path: Path) -> None:
    describe(tmp_path / "a.pt", view)
    offset, shape, strides = view
    expected = torch.as_strided(torch.zeros(4), shape, strides, offset)
    assert torch.equal(read_state(tmp_path / "a.pt")[0]["w"], expected)


@pytest.mark.parametrize("count", [3, 5, 2**40, -1])
def test_a_storage_of_another_size_is_refused(count: int, tmp_path: Path) -> None:
    describe(tmp_path / "a.pt", (0, (2,), (1,)), count)
    with pytest.raises(UserError, match="not whole weights"):
        read_state(tmp_path / "a.pt")


def test_a_changed_byte_of_a_tensor_is_seen(tmp_path: Path) -> None:
    """torch.load does not look at the archive's checksums; where none were written there is nothing to look at."""
    path = tmp_path / "a.pt"
    torch.save({"w": torch.full((100,), 7.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<f", 7.0)) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="not whole weights"):
        read_state(path)
    set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(3)}, path)
    finally:
        set_crc32_options(True)
    assert read_state(path)[0]["w"].tolist() == [1, 1, 1]


def odd_tensors() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what is to come of quantised and sparse tensors
        return {
            "sparse": torch.eye(3).to_sparse(),
            "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            "complex": torch.ones(3, dtype=torch.complex64),
            "without numbers": torch.ones(3, device="meta"),
        }


@pytest.mark.parametrize("kind", ["sparse", "quantised", "complex", "without numbers"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_no_network_here_has_are_named(kind: str, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "odd": odd_tensors()[kind]}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=rf"a\.pt: odd (is|has) {kind}.*; save it as"):
        read_state(tmp_path / "a.pt")


def test_every_kind_of_number_is_read(tmp_path: Path) -> None:
    kinds = (
        *(torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.int8, torch.uint8),
        *(torch.int16, torch.int32, torch.bool, torch.uint16),
    )  # fmt: skip
    state = {str(kind): torch.tensor([0, 1, 1]).to(kind) for kind in kinds} | {"none": torch.zeros(0, 3)}
    state["parameter"] = nn.Parameter(torch.ones(2))
    state["attributed"] = nn.Parameter(torch.ones(2))
    state["attributed"].note = "a tensor with an attribute is pickled in another way"
    for legacy in (False, True):
        kept = {
            name: value
            for name, value in state.items()
            if not legacy or ("16" not in name and "float8" not in name)
        }
        torch.save(kept, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
        found = read_state(tmp_path / "a.pt")[0]
        assert found.keys() == kept.keys()
        for name, value in kept.items():
            assert torch.equal(found[name], value.detach().float() if value.is_floating_point() else value), (
                name
            )


def test_tensors_of_one_storage_are_read_from_it_once(tmp_path: Path) -> None:
    flat = torch.arange(6.0)
    torch.save({"a": flat[:2], "b": flat[2:].view(2, 2), "again": flat[:2]}, tmp_path / "a.pt")
    found = read_state(tmp_path / "a.pt")[0]
    assert found["a"].untyped_storage().data_ptr() == found["b"].untyped_storage().data_ptr()
    assert (found["a"].tolist(), found["b"].tolist(), found["again"].tolist()) == (
        [0, 1],
        [[2, 3], [4, 5]],
        [0, 1],
    )
