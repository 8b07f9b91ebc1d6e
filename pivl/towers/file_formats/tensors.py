"""Tensors as files of torch describe them: views of stored numbers, held to what is stored, then read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from pivl.towers.file_formats.pickled import Made, Named

WITHOUT_STORAGE_TYPE = ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64")
DTYPES = {
    "torch.FloatStorage": torch.float32, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32, "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8, "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64, "torch.ComplexDoubleStorage": torch.complex128,
    "torch.QInt8Storage": torch.qint8, "torch.QUInt8Storage": torch.quint8, "torch.QInt32Storage": torch.qint32,
    "torch.storage.UntypedStorage": torch.uint8,
    **{f"torch.{name}": getattr(torch, name) for name in WITHOUT_STORAGE_TYPE},
}  # fmt: skip
TENSORS = (
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v3",
)
WRAPPERS = {  # functions that give a tensor of theirs, and where it stands among their arguments
    "torch._utils._rebuild_parameter": 0,
    "torch._utils._rebuild_parameter_with_state": 0,
    "torch.nn.parameter.Parameter": 0,
    "torch.nn.parameter.Buffer": 0,
}
TYPED = "torch._tensor._rebuild_from_type_v2"  # a tensor with attributes: function, type, arguments, state
MOST_AXES = 64
REPEATED = (
    2**27
)  # numbers that all views together may have beyond those that are stored, as an expanded one does


@dataclass(frozen=True)
class Storage:
    """`count` numbers under the name `key` in a file; dtype None: of a kind that no network here has, `kind`."""

    key: str
    kind: str
    count: int

    @property
    def dtype(self) -> torch.dtype | None:
        """What its numbers are."""
        return DTYPES.get(self.kind)

    @property
    def nbytes(self) -> int:
        """Its size in the file; 0 where the kind is not known."""
        return self.count * self.dtype.itemsize if self.dtype else 0


@dataclass(frozen=True)
class View:
    """A tensor: numbers of `storage` from `offset` on, `shape` of them, `strides` apart; read as `dtype`."""

    storage: Storage
    dtype: torch.dtype | None
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, stored: Tensor) -> Tensor:
        """Returns the tensor itself, of the storage's bytes, uint8 [nbytes], which it shares."""
        assert self.dtype is not None
        if not prod(self.shape):
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.as_strided(stored.view(self.dtype), self.shape, self.strides, self.offset)


def find_storage(persistent_id: Any) -> Storage | Named:
    """The storage, or the class of a whole module, that a pickle of torch refers to. ValueError for anything else."""
    match persistent_id:
        case ("module", Named() as of, *_):
            return of
        case ("storage", Named(kind), str(key), _, int(count)) | (
            "storage",
            Named(kind),
            str(key),
            _,
            int(count),
            None,
        ):
            if 0 <= count < 2**48:
                return Storage(key, kind.replace("torch.cuda.", "torch."), count)
    raise ValueError("a reference to no storage")


def find_view(value: Any) -> View | None:
    """Returns the tensor that a call in a pickle makes, None for anything else.

    Raises ValueError where it reaches beyond what is stored.
    """
    for _ in range(3):  # a parameter with attributes wraps a parameter, and this a tensor
        match value:
            case Made(of, arguments) if of in WRAPPERS and len(arguments) > WRAPPERS[of]:
                value = arguments[WRAPPERS[of]]
            case Made(of, (Named(function), Named(kind), tuple(arguments), _)) if of == TYPED:
                if not kind.startswith(("torch.Tensor", "torch.nn.parameter.")):
                    return None
                value = Made(function, arguments)
    if not isinstance(value, Made) or value.of not in TENSORS:
        return None
    match value.arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), *rest):
            dtype = storage.dtype
            if value.of == TENSORS[2]:
                dtype = next((DTYPES.get(one.name) for one in rest if isinstance(one, Named)), None)
            view = View(storage, dtype, offset, _size(shape), _size(strides))
            _check(view)
            return view
    raise ValueError("a tensor that is none")


def _size(value: tuple[Any, ...]) -> tuple[int, ...]:
    """Returns a shape or strides."""
    if not all(type(one) is int and 0 <= one < 2**48 for one in value):
        raise ValueError(f"{value!r:.60} is no shape")
    return value


def _check(view: View) -> None:
    if len(view.shape) != len(view.strides) or len(view.shape) > MOST_AXES or view.offset < 0:
        raise ValueError("a tensor without a place")
    steps = zip(view.shape, view.strides, strict=True)
    last = view.offset + sum((length - 1) * stride for length, stride in steps)
    width = view.dtype.itemsize if view.dtype else 1
    if prod(view.shape) and (last + 1) * width > view.storage.nbytes and view.dtype:
        raise ValueError("a tensor beyond its storage")
    if prod(view.shape) >= 2**48 or last >= 2**48:
        raise ValueError("a tensor of absurd size")


def check_total(views: Mapping[str, View]) -> None:
    """Raise ValueError where tensors repeat what is stored so often that memory may not hold them."""
    stored = sum({view.storage.key: view.storage.count for view in views.values()}.values())
    if sum(prod(view.shape) for view in views.values()) > 2 * stored + REPEATED:
        raise ValueError("tensors that repeat what is stored beyond measure")


def load_views(
    views: Mapping[str, View], load: Callable[[Storage], Tensor], finish: Callable[[str, Tensor], Tensor]
) -> dict[str, Tensor]:
    """Returns the tensors of a file by name, each as `finish` gives it; `load` reads the bytes of a storage, each once.

    One storage after the other, so that what `finish` copies need not be held twice.
    """
    check_total(views)
    order = sorted(views, key=lambda name: views[name].storage.key)
    found: dict[str, Tensor] = {}
    known: dict[View, Tensor] = {}
    storage, stored = None, torch.empty(0, dtype=torch.uint8)
    for name in order:
        view = views[name]
        if view not in known:
            if view.storage != storage:
                storage, stored = view.storage, load(view.storage)
            known[view] = finish(name, view.of(stored))
        found[name] = known[view]
    return {name: found[name] for name in views}
