"""Losses and fusion heads of one's own: named by their source, kept with the results, loaded from there.

A study hands functions or classes to its rows. A run's recipe names them, so other code is another run; the file that
they stand in is copied to own_code/ of the results folder, from where worker processes read it, on whatever host.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.store.records import Results
from harness.system.code_digest import digest_name
from pivl.errors import UserError
from pivl.recipe import Recipe
from pivl.system.files import write_text
from pivl.system.ranges import shorten
from studies.study import Row

if TYPE_CHECKING:
    from pivl.stages.own_code import OwnCode

Code = Callable[..., Any]


def own_choices(row: Row) -> dict[str, str]:
    """The choices of a recipe that name the code of a row's own; none for rows without."""
    named = {"own_loss": row.loss, "own_head": row.head}
    return {field: name_code(code) for field, code in named.items() if code is not None}


def name_code(code: Code) -> str:
    """The name of a function or class and the digest of its source and all that it uses of its file: `margin-0f3a...`.

    Raises UserError for what does not stand at the top of a file.
    """
    _, text = _source_of(code)
    return f"{code.__name__}-{digest_name(text, code.__name__)}"


def keep_code(rows: Iterable[Row], results: Results) -> None:
    """Copies the files of the code of `rows` to the results. Raises UserError for one that does not load by itself."""
    for row in rows:
        for reference, code in zip(
            own_choices(row).values(), filter(None, (row.loss, row.head)), strict=True
        ):
            path, text = _source_of(code)
            place = _place(reference, results)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, text)
            _load(reference, results, f"{path}, by itself as row {row.name} has it in every process")


def load_code(recipe: Recipe, results: Results) -> "OwnCode":
    """The loss and head that a recipe names. Raises UserError where the results do not have them as they were."""
    from pivl.stages.own_code import NO_CODE, OwnCode

    if not (recipe.own_loss or recipe.own_head):
        return NO_CODE
    loss, head = (_load(name, results) if name else None for name in (recipe.own_loss, recipe.own_head))
    return OwnCode(loss, head)


def load_module(path: Path, name: str, called: str = "") -> ModuleType:
    """Runs a file of Python as the module `name`. Raises UserError, naming the line, for whatever it raises."""
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{called or path}: no file of Python; name one that ends in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        said = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}".splitlines()[0]
        raise UserError(f"{called or path}{_line(error, path)}: {said}") from error
    return module


def _load(reference: str, results: Results, called: str = "") -> Code:
    path, name = _place(reference, results), reference.rpartition("-")[0]
    if not path.is_file():
        raise UserError(f"{path} is not there, the code of this run; run with --study writes it")
    if reference != f"{name}-{digest_name(path.read_text(encoding='utf-8'), name)}":
        raise UserError(f"{path} is not as it was written; remove it, and run with --study writes it")
    code: Code = getattr(load_module(path, re.sub(r"\W", "_", f"pivl_bench_{reference}"), called), name)
    return code


def _place(reference: str, results: Results) -> Path:
    return results.root / "own_code" / f"{reference}.py"


def _source_of(code: Code) -> tuple[Path, str]:
    """The file of a function or class and its text. Raises UserError for what does not stand at the top of a file."""
    name, module = getattr(code, "__qualname__", None), getattr(code, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not (inspect.isfunction(code) or inspect.isclass(code)) or name is None or not name.isidentifier():
        raise UserError(
            f"{name or shorten(code)}: no function or class at the top of its file; define it there by name"
        )
    if file is None:
        raise UserError(f"{name}: it was typed, not read from a file; write it to a file and import it")
    path = Path(file)
    return path, path.read_text(encoding="utf-8")


def _line(error: BaseException, path: Path) -> str:
    """The line of `path` at which an error arose, as `, line 3`."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
