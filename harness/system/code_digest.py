"""A digest of the code that decides weights and scores, so that a table can say where its rows come from different code.

It is taken over the definitions of training and scoring and all that they use of the package. Neither comments,
docstrings, layout and messages of errors count, nor where a definition stands and what modules are called.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pivl

ROOTS = (
    "pivl.train",
    "pivl.evaluation.assessment",
    "pivl.evaluation.reranking",
    "pivl.data.cache.decode",
    "pivl.data.holdout",
)
IMPORT = re.compile(r"^\s*from (pivl[\w.]*) import (\([^)]*\)|[^\n#]*)", re.M)
IMPORTS = (ast.Import, ast.ImportFrom)
NO_WORK = (*IMPORTS, ast.Raise, ast.expr_context)  # imports, errors, and how a name is used


@cache
def code_digest() -> str:
    """Returns 12 hexadecimal digits over the definitions of ROOTS and all that they use, as they are on disk."""
    sources = _read_sources()
    return digest_code([sources[name] for name in ROOTS], list(sources.values()))


def is_todays(record: Mapping[str, Any]) -> bool:
    """Whether the weights of a record owe to the code at hand alone: of old records without a digest, nobody knows."""
    return set(record.get("codes", ())) == {code_digest()}


def digest_code(roots: Sequence[str], modules: Sequence[str]) -> str:
    """Returns the digest of what the modules `roots` define and use of `modules`, all given as text.

    The order, the names and the division of the modules do not count.
    """
    imported = {name for source in modules for _, names in _imports(source) for name in names}
    bodies = {source: ast.parse(source).body for source in {*roots, *modules}}
    defined: dict[str, list[ast.stmt]] = {}
    for statement in (statement for body in bodies.values() for statement in body):
        for name in _defined(statement):
            defined.setdefault(name, []).append(statement)
    roots_do = [one for source in roots for one in bodies[source] if not isinstance(one, IMPORTS)]
    return _digest(roots_do, defined, imported)


def digest_name(source: str, name: str) -> str:
    """Returns the digest of what a module, given as text, binds to `name` and all that this uses of the module.

    What is imported counts by its name: of installed packages the source is not read.
    """
    bound: dict[str, list[ast.stmt]] = {}
    for statement in ast.parse(source).body:
        for one in _bound(statement):
            bound.setdefault(one, []).append(statement)
    return _digest(list(bound.get(name, ())), bound, set())


def _digest(waiting: list[ast.stmt], defined: Mapping[str, Sequence[ast.stmt]], imported: set[str]) -> str:
    """Returns the digest of statements and of those of `defined` that they use; `defined` has what is followed."""
    pieces: dict[int, str] = {}
    while waiting:
        statement = waiting.pop()
        if id(statement) not in pieces and (isinstance(statement, IMPORTS) or _works(statement)):
            words = list(_words(statement, imported))
            pieces[id(statement)] = sha256("\0".join(words).encode(errors="surrogatepass")).hexdigest()
            if not isinstance(statement, IMPORTS):
                waiting += [other for word in set(words) for other in defined.get(word, ())]
    return sha256("".join(sorted(pieces.values())).encode()).hexdigest()[:12]


def _read_sources() -> Mapping[str, str]:
    """Reads ROOTS and every module of the package that one of them imports, at its top or within a function."""
    found: dict[str, str] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        path = Path(pivl.__file__).parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
        if name not in found and path.is_file():
            found[name] = path.read_text(encoding="utf-8")
            for module, names in _imports(found[name]):
                waiting += [module, *(f"{module}.{one}" for one in names)]
    return found


def _imports(source: str) -> Iterator[tuple[str, list[str]]]:
    """The modules of the package that a source imports from, and what."""
    for module, names in IMPORT.findall(source):
        yield module, re.findall(r"\w+", names)


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement of any module binds, an import included."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [one.asname or one.name.partition(".")[0] for one in names]
    nodes = list(ast.walk(statement))
    stored = [one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    return stored + [one.name for one in nodes if isinstance(one, ast.FunctionDef | ast.ClassDef)]


def _works(node: ast.AST) -> bool:
    """Whether a node may decide a number: no import, no error and no text that stands alone, as docstrings do."""
    alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not alone and not isinstance(node, NO_WORK)


def _words(node: ast.AST, imported: set[str]) -> Iterator[str]:
    """A node as words, the same in every version of Python: what is empty is left out."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
        yield node.attr  # of a module of the package, whatever that is called
        return
    yield type(node).__name__
    if isinstance(node, ast.Constant):
        yield repr(node.value)
        return
    for name in node._fields:
        value = getattr(node, name, None)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, ast.AST):
                if _works(one):
                    yield from _words(one, imported)
            elif one is not None:
                yield str(one)
        if value:
            yield f"/{name}"
