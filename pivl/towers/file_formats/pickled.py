"""Pickles read as data: what a file says it holds. Nothing is imported, called or restored on its behalf.

torch.save and TorchScript write tensors as calls of torch's functions on storages, and whatever else a file holds as
calls of any code. Here every call is a record of what was to be called with what.
"""

import pickletools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

LONGEST = 2_000_000  # operations in a pickle: those of 60,000 tensors
DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
PLAIN_KEYS = (str, int, float, bytes, type(None))
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
GROUPS = {"TUPLE": tuple, "LIST": list, "FROZENSET": list}  # members since the last mark
SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
    *("SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES"),
    *("SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}  # fmt: skip


@dataclass(eq=False, frozen=True)
class Named:
    """A function or class by its name, as `torch._utils._rebuild_tensor_v2`."""

    name: str


@dataclass(eq=False)
class Made:
    """What a call of `of` with `arguments` was to give; `state` and `items` are what was to be put into it."""

    of: str
    arguments: tuple[Any, ...]
    state: Any = None
    items: list[Any] = field(default_factory=list)


def read_pickle(source: bytes | IO[bytes], persistent: Callable[[Any], Any]) -> Any:
    """Returns the object of a pickle: numbers, text, lists (sets too), tuples, dicts, `Named` and `Made`.

    `persistent` gives what stands for an object that is kept elsewhere. A key that is no plain value is kept under one
    that nobody can name. Raises ValueError, IndexError, KeyError or TypeError for what is no pickle.
    """
    machine = _Machine(persistent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in text that is damaged
        for number, (operation, argument, _) in enumerate(pickletools.genops(source)):
            if number == LONGEST:
                raise ValueError("a pickle of absurd length")
            machine.take(operation.name, argument)
    return machine.stack.pop()


class _Machine:
    """The pickle machine without its calls."""

    def __init__(self, persistent: Callable[[Any], Any]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def take(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in LITERALS:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in GROUPS:
            members = self.since_mark()
            self.stack.append(GROUPS[name](members))
        elif name in SHORT_TUPLES:
            count = SHORT_TUPLES[name]
            if len(stack) < count:
                raise IndexError("nothing on the stack")
            stack[-count:] = [tuple(stack[-count:])]
        elif not self._remember(name, argument):
            self._make(name, argument)

    def _remember(self, name: str, argument: Any) -> bool:
        """Do what concerns the stack and the memo alone; whether it was that."""
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "POP" if self.stack:
                self.stack.pop()
            case "POP" | "POP_MARK":
                self.since_mark()
            case "DUP":
                self.stack.append(self.stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case _:
                return False
        return True

    def _make(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "GLOBAL":
                stack.append(_named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                of, module = stack.pop(), stack.pop()
                stack.append(_named(module, of))
            case "PERSID":
                stack.append(self.persistent(argument))
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                arguments, of = stack.pop(), stack.pop()
                stack.append(_call(of, arguments))
            case "NEWOBJ_EX":
                _, arguments, of = stack.pop(), stack.pop(), stack.pop()
                stack.append(_call(of, arguments))
            case "INST" | "OBJ":
                members = self.since_mark()
                of = _named(*argument.split(" ", 1)) if name == "INST" else members.pop(0)
                self.stack.append(_call(of, tuple(members)))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Made):
                    stack[-1].state = state
            case "DICT":
                members = self.since_mark()
                self.stack.append({})
                _fill(self.stack[-1], _pairs(members))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _fill(stack[-1], [(key, value)])
            case "SETITEMS":
                members = self.since_mark()
                _fill(self.stack[-1], _pairs(members))
            case "APPEND":
                value = stack.pop()
                _extend(stack[-1], [value])
            case "APPENDS" | "ADDITEMS":
                members = self.since_mark()
                _extend(self.stack[-1], members)
            case _:
                raise ValueError(f"{name} has no place in a file of weights")


def _named(module: Any, name: Any) -> Named:
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a global is named by two texts")
    return Named(f"{module}.{name}".replace("__builtin__.", "builtins."))


def _call(of: Any, arguments: Any) -> Any:
    if not isinstance(of, Named) or not isinstance(arguments, tuple):
        raise TypeError("only what has a name is called, with a tuple")
    if of.name not in DICTIONARIES:
        return Made(of.name, arguments)
    found: dict[Any, Any] = {}
    if arguments and isinstance(arguments[0], list):
        _fill(found, arguments[0])
    return found


def _pairs(members: list[Any]) -> Iterator[tuple[Any, Any]]:
    if len(members) % 2:
        raise ValueError("a key without a value")
    return zip(members[::2], members[1::2], strict=True)


def _fill(target: Any, pairs: Any) -> None:
    if isinstance(target, Made):
        target.items += pairs
    elif isinstance(target, dict):
        target.update({key if isinstance(key, PLAIN_KEYS) else object(): value for key, value in pairs})
    else:
        raise TypeError(f"no items are put into {type(target).__name__}")


def _extend(target: Any, members: list[Any]) -> None:
    place = target.items if isinstance(target, Made) else target
    if not isinstance(place, list):
        raise TypeError(f"nothing is appended to {type(target).__name__}")
    place += members
