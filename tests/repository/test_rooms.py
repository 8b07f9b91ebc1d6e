"""Rooms of harness/ and pivl/: which may import which, that no arrow points up, and what each room says of itself."""

import ast
import builtins
import re
import shlex
from pathlib import Path

import pytest

from tests.support.commands import parse

ROOT = Path(__file__).parents[2]
MOST_ENTRIES = 18  # about fifteen: the method has nine files of its own beside its rooms
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
    purpose, _, rest = docstring_of(room).partition("\n\n")
    assert re.fullmatch(r"(?!Doors?:|Example:)\S.*\.", purpose, flags=re.S), f"no purpose: {purpose}"
    assert re.match(r"Doors?: \S", rest), "no door"
    assert re.search(r"^Example: `.+`", rest, flags=re.M), "no example"


def docstring_of(room):
    return ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""


def defined(body):
    """Names that statements bind, with the node that binds each."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((one.id, node) for one in targets if isinstance(one, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)


def names_in(room):
    """What the files of a room and of those within it define or import, and the files' own names."""
    files = sorted(room.rglob("*.py"))
    pairs = [pair for path in files for pair in defined(ast.parse(path.read_text(encoding="utf-8")).body)]
    made = {name: node for name, node in pairs if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return dict.fromkeys(path.stem for path in files) | dict(pairs) | made


def takes(node):
    """The keywords that a function, or a class by its fields, takes."""
    if isinstance(node, ast.ClassDef):
        return {name for name, _ in defined(node.body)}
    return {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}


def exists(dotted):
    """Whether a dotted name is a module of ours, or is defined in one, in a class of one or in one of a room's."""
    if dotted.replace(".", "/") in {str(room.relative_to(ROOT)) for room in rooms()} or dotted in MODULES:
        return True
    before, _, last = dotted.rpartition(".")
    if before in MODULES:
        return last in dict(defined(ast.parse(MODULES[before].read_text(encoding="utf-8")).body))
    return False


@pytest.mark.parametrize("room", rooms(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_docstring_of_a_room_names_exists(room):
    """Dotted names anywhere, commands and their options, and what the example calls with which keywords."""
    docstring, known = docstring_of(room), names_in(room)
    for dotted in re.findall(r"\b(?:harness|pivl|studies)(?:\.\w+)+", docstring):
        assert exists(dotted), dotted
    for example in re.findall(r"`([^`]+)`", docstring.partition("Example: ")[2]):
        if example.startswith("pivl-bench "):
            parse(shlex.split(example)[1:])
        elif not example.startswith("python -m "):
            check_code(ast.parse(example), known)


def check_code(code, known):
    bound = {name for name, _ in defined(code.body)} | {*dir(builtins), "Path", "torch"}
    for call in (node for node in ast.walk(code) if isinstance(node, ast.Call)):
        root = call.func
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        assert root.id in bound | known.keys(), f"{root.id} is not in this room"
        node = known.get(root.id) if root is call.func else None
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            strange = {word.arg for word in call.keywords} - takes(node)
            assert not strange, f"{root.id} takes no {', '.join(strange)}"
