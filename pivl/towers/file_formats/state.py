"""The state dict in what a file of torch holds: bare, or wrapped in a checkpoint beside other objects."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pivl.errors import UserError
from pivl.towers.file_formats.foreign import SAVE
from pivl.towers.file_formats.pickled import Made
from pivl.towers.file_formats.tensors import TENSORS, TYPED, WRAPPERS, View, find_view

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "clip.", "clip_model.")
COUNT = "n_averaged"  # of torch.optim.swa_utils.AveragedModel, beside its module
BESIDE_NETWORKS = (
    "optim",
    "sched",
    "scaler",
    "rng",
)  # how entries of a checkpoint begin that are no network's
DEEPEST = 4  # dictionaries around a state dict
SIDE_ISSUE = 0.1  # of the tensors of the largest: a loss's centre or a best score is no state dict beside it
NOT_DENSE = {
    "torch._utils._rebuild_sparse_tensor": "sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "sparse",
    "torch._utils._rebuild_nested_tensor": "nested",
    "torch._utils._rebuild_qtensor": "quantised",
    "torch._utils._rebuild_meta_tensor_no_storage": "without numbers (on the meta device)",
    "torch._utils._rebuild_wrapper_subclass": "of a class of its own",
    TYPED: "of a class of its own",
}
ALL_TENSORS = {*TENSORS, *WRAPPERS, *NOT_DENSE}
NUMPY = ("numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct")
NAME_WEIGHTS = "name a .safetensors, .pt or .pth file of a network"
Value = TypeVar("Value")


def find_state(content: Any, source: str) -> dict[str, View]:
    """Returns the one state dict in `content` (pickled.read_pickle) by the names of its tensors.

    Raises UserError, calling the file `source`, where there is none, or several; ValueError for damaged tensors.
    """
    found = {place: tensors for place, tensors in _dictionaries(content) if tensors}
    most = max(map(len, found.values()), default=0)
    found = {place: tensors for place, tensors in found.items() if len(tensors) >= SIDE_ISSUE * most}
    if not found:
        raise UserError(f"{source}: holds no state dict of tensors but {_describe(content)}")
    if len(found) > 1:
        places = ", ".join(map(repr, [*found][:4]))
        raise UserError(
            f"{source}: holds {len(found)} state dicts ({places:.200}); save the one that is meant with torch.save, "
            "and name that file"
        )
    return {name: dense(name, tensor, source) for name, tensor in found.popitem()[1].items()}


def dense(name: str, tensor: Made, source: str) -> View:
    """The numbers of a tensor that a pickle describes; UserError for one that is sparse, quantised or the like."""
    view = find_view(tensor)
    if view is None:
        raise UserError(
            f"{source}: {name:.200} is {NOT_DENSE.get(tensor.of, 'no tensor')}; save it as a dense tensor"
        )
    return view


def unwrap(state: Mapping[str, Value]) -> dict[str, Value]:
    """`state` without what DistributedDataParallel, torch.compile, Lightning and the like put before every name."""
    state = {name: value for name, value in state.items() if name != COUNT}
    while prefix := next(
        (one for one in PREFIXES if state and all(name.startswith(one) for name in state)), None
    ):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _dictionaries(content: Any) -> Iterator[tuple[str, dict[str, Made]]]:
    """Yields the tensors of every dictionary within dictionaries, by where it stands; an optimizer's are passed by."""
    waiting, seen = [("", content, 0)], {id(content)}
    while waiting:
        place, value, depth = waiting.pop()
        if not isinstance(value, dict):
            continue
        named = [(name, member) for name, member in value.items() if isinstance(name, str)]
        yield place, {name: member for name, member in named if _is_tensor(member)}
        for name, member in reversed(named):
            if isinstance(member, dict) and depth < DEEPEST and not name.startswith(BESIDE_NETWORKS):
                if id(member) not in seen:
                    waiting.append((f"{place}.{name}" if place else name, member, depth + 1))
                seen.add(id(member))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Made) and value.of in ALL_TENSORS


def _describe(content: Any) -> str:
    """Returns what an object is that holds no state dict, and what to do."""
    members = [content, *content.values()] if isinstance(content, dict) else [content]
    for one in members:
        if isinstance(one, Made) and isinstance(one.state, dict) and "_modules" in one.state:
            return f"a whole network, pickled with its code ({one.of:.100}); {SAVE}"
        if isinstance(one, Made) and one.of in NUMPY:
            return "NumPy arrays; save them as tensors with torch.save"
    if _is_tensor(content):
        return "a single tensor; save the network's state_dict() with torch.save"
    if isinstance(content, dict) and any(map(_is_tensor, content.values())):
        return "tensors without names; save the network's state_dict() with torch.save"
    if isinstance(content, Made):
        return f"a call of {content.of:.100}, which was not run; {NAME_WEIGHTS}"
    return f"a {type(content).__name__} of other things; {NAME_WEIGHTS}"
