"""Pickles are read without a call: whatever they would do is not done, and what they hold beside is read."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pivl.errors import UserError
from pivl.towers.file_formats import pickled
from pivl.towers.file_formats.weights_file import read_state


class Calls:
    """A pickle that would write a file if it were executed, by any of the ways to call something."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (exec, (f"open({str(self.target)!r}, 'w')",))


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_pickled_code_runs_and_the_weights_beside_it_are_read(
    legacy: bool, protocol: int, tmp_path: Path
) -> None:
    path, target = tmp_path / "a.pth", tmp_path / "written"
    content = {"state_dict": {"w": torch.ones(3)}, "args": Calls(target), Calls: 3, "epoch": 3}
    content |= {
        "set": {1, 2},
        "frozen": frozenset("a"),
        "bytes": b"x",
        "array": bytearray(3),
        "tuple": (1, 2, 3, 4),
    }
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    assert read_state(path)[0].keys() == {"w"}
    assert not target.exists()


LONGEST = 70_000
ODD_PICKLES = {
    "calls": (
        b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch called\x85R.",
        "a call of os.system, which was not run",
    ),
    "instances": (b"(X\x0c\x00\x00\x00touch calledios\nsystem\n.", "a call of os.system, which was not run"),
    "state": (b"\x80\x02ctorch\nload\n}X\x01\x00\x00\x00xNsb.", "of other things"),
    "a far memo": (b"\x80\x02Nr\xff\xff\xff\xff.", "of other things"),
    "deep lists": (b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b".", "a list of other things"),
    "a deep key": (b"\x80\x02})" + b"\x85" * 30_000 + b"Ns.", "a dict of other things"),
    "itself": (b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", "a dict of other things"),
    "many digits": (b"\x80\x02I" + b"1" * 5000 + b"\n.", "not whole weights"),
    "a long text": (b"\x80\x02X\xff\xff\xff\x7f", "not whole weights"),
    "an extension": (b"\x80\x02\x82\x01.", "not whole weights"),
    "no end": (b"\x80\x02" + b"]" * LONGEST + b".", "not whole weights"),
}


@pytest.mark.parametrize("kind", ODD_PICKLES)
def test_pickles_of_strangers_are_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pickled, "LONGEST", LONGEST)
    content, said = ODD_PICKLES[kind]
    with zipfile.ZipFile("a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", content)
    with pytest.raises(UserError, match=f"^a.pt: .*{said}.*; "):
        read_state(Path("a.pt"))
    assert not Path("called").exists()
