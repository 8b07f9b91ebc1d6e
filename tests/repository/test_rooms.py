"""Rooms of harness/ and pivl/: which may import which, that no arrow points up, and what each room says of itself."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_ENTRIES = 17  # about fifteen: the method has eleven files of its own beside its rooms
PACKAGES = ("harness", "pivl")


def modules(package):
    """Dotted names of a package's modules with their files; a package's own is its name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = {name: path for package in PACKAGES for name, path in modules(package).items()}


def imported(path):
    """The modules of ours that a file imports, anywhere in it, those for type checkers among them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names & MODULES.keys() if MODULES[name].name != "__init__.py"}


def room_of(module):
    """`harness.store` for harness.store.records; a file that stands alone is a room of its own."""
    return ".".join(module.split(".")[:2])


def arrows(package):
    """From each room to the rooms that its files import."""
    found = {}
    for name, path in MODULES.items():
        if name.startswith(f"{package}.") and path.name != "__init__.py":
            there = {room_of(one) for one in imported(path) if one.startswith(f"{package}.")}
            found.setdefault(room_of(name), set()).update(there - {room_of(name)})
    return found


def listed(package):
    """The arrows that the package's README lists, a line each: "- `room` -> `other`, `third`"."""
    text = (ROOT / package / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^- `([\w.]+)` -> (.*)$", text, flags=re.M)
    return {
        f"{package}.{room}": {f"{package}.{other}" for other in re.findall(r"`([\w.]+)`", rest)}
        for room, rest in rows
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_readme_lists_every_arrow_between_rooms(package):
    assert listed(package) == arrows(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrow_points_up_and_none_is_in_a_circle(package):
    """README lists rooms from the top down: a room imports only what stands below it."""
    order = list(listed(package))
    for room, others in arrows(package).items():
        above = [other for other in others if order.index(other) <= order.index(room)]
        assert not above, f"{room} imports {', '.join(above)}, which is not below it"


@pytest.mark.parametrize("package", [*PACKAGES, "studies"])
def test_no_files_import_each_other_in_a_circle(package):
    needs = {name: imported(path) for name, path in MODULES.items() if name.startswith(f"{package}.")}
    while free := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in free}
    assert not needs, f"in or behind a circle: {', '.join(sorted(needs))}"


def rooms():
    return sorted(path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))


@pytest.mark.parametrize("room", rooms(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_small_and_says_its_purpose_its_door_and_an_example(room):
    entries = [
        p
        for p in room.iterdir()
        if (p.suffix == ".py" and p.name != "__init__.py") or (p / "__init__.py").exists()
    ]
    assert len(entries) <= MOST_ENTRIES, f"{len(entries)} entries"
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(docstring.splitlines()) >= 3, docstring
    assert re.search(r"^Doors?: ", docstring, flags=re.M)
    assert "Example: " in docstring or ">>>" in docstring
