"""A checkpoint in parts: a folder in which every process has written what it has of the tensors.

Beside the parts, which are torch.distributed.checkpoint's, `rest.pt` has everything else: numbers, names, and how long
each part is and its check sum. It is written last; then the folder gets its name. All processes see one file system.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import RunError, reason_of
from ..world import current, of_all, the_same
from .checkpoint_file import load, named, save, synced, unwritable
from .distributed import is_parted, parted_like, read_tensors, write_tensors

__all__ = ["Like", "in_parts", "load_parts", "load_rest", "own_parts", "remove", "save_parts"]

REST = "rest.pt"
TENSOR = "tensor in parts"  # the one key of what stands for a tensor in rest.pt
PIECE = 1 << 24  # bytes

Like = Callable[[str, torch.Size], Tensor | None]


def in_parts(payload: Any) -> bool:
    """Whether a process has only a part of some tensor of it."""
    return any(is_parted(tensor) for tensor in named(payload).values())


def save_parts(folder: Path, payload: Mapping[str, Any]) -> None:
    """Every process writes its part of the payload; the folder is there whole or not at all. Raises RunError in all."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        the_same(lambda: _begin(temporary))
        write_tensors(temporary, named(payload))
        sums = of_all({path.name: _sum(path) for path in temporary.glob(f"__{current().rank}_*")})
        rest = {**_rest(payload), "parts": {name: found for each in sums for name, found in each.items()}}
        the_same(lambda: _finish(temporary, folder, rest))
    except (OSError, RuntimeError) as error:
        the_same(lambda: shutil.rmtree(temporary, ignore_errors=True))
        raise RunError(unwritable(folder, error)) from error


def _begin(temporary: Path) -> None:
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()


def _finish(temporary: Path, folder: Path, rest: Mapping[str, Any]) -> None:
    save(temporary / REST, rest)
    remove(folder)  # a damaged one, past which training went on from an earlier one
    temporary.rename(folder)
    synced(folder.parent)


def remove(path: Path) -> None:
    """Removes a checkpoint, a file or a folder, of which no half stays under its name. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        gone = path.with_name(f".{path.name}.old.tmp")
        path.rename(gone)
        shutil.rmtree(gone)
    else:
        path.unlink(missing_ok=True)


def load_rest(folder: Path) -> dict[str, Any]:
    """What a checkpoint in parts says beside its tensors. Raises RunError, which names it, for damaged parts."""
    if not (folder / REST).exists():
        raise RunError(f"{folder} is damaged, or no checkpoint (it has no {REST}); delete it to go on without it")
    rest = load(folder / REST)
    for name, (length, total) in rest["parts"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != length or _sum(path)[1] != total:
            raise RunError(f"{folder} is damaged ({name} is not what was written); delete it to go on without it")
    return rest


def load_parts(folder: Path, like: Like = lambda name, size: None) -> dict[str, Any]:
    """The payload, each tensor parted as one that it is like, or whole on the CPU. Raises RunError."""
    rest = load_rest(folder)
    try:
        tensors = read_tensors(folder, like)
        payload: dict[str, Any] = _put_back(rest, tensors)
    except Exception as error:  # a damaged folder can make the reader fail in any way
        reason = f"{folder} is damaged ({reason_of(error)}); delete it to go on without it"
        raise RunError(reason) from error
    return payload


def own_parts(state: dict[str, Any], own: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """What this process has of a state that was read: of a payload, or of the `folder` that it names.

    own: by name, what the process has now. parameters: in the optimizer's order, as which its state is parted and lies
    in memory, which fused optimizers take for granted.
    """

    def like(name: str, size: torch.Size) -> Tensor | None:
        found = own.get(name)
        if found is None and name.startswith("optimizer/state/"):
            found = parameters[int(name.split("/")[2])]
        return found if found is not None and found.shape == size else None

    if "folder" in state:
        return load_parts(Path(state["folder"]), like)
    if not any(map(is_parted, own.values())):
        return state
    placed: dict[str, Any] = _put_back(
        state, {name: parted_like(tensor, like(name, tensor.shape)) for name, tensor in named(state).items()}
    )
    return placed


# -- tensors by their names --------------------------------------------------------------------------------------------


def _put_back(payload: Any, tensors: Mapping[str, Tensor], path: str = "") -> Any:
    """The payload with other tensors of the same names. The reverse of `_rest` too."""
    if isinstance(payload, Tensor) or (isinstance(payload, dict) and payload.keys() == {TENSOR}):
        return tensors[path]
    if isinstance(payload, Mapping):
        return {key: _put_back(value, tensors, f"{path}/{key}" if path else str(key)) for key, value in payload.items()}
    return payload


def _rest(payload: Any) -> Any:
    """The payload with something that stands for each tensor."""
    if isinstance(payload, Tensor):
        return {TENSOR: True}
    return {key: _rest(value) for key, value in payload.items()} if isinstance(payload, Mapping) else payload


def _sum(path: Path) -> list[int]:
    """How long a file is, in bytes, and its check sum."""
    total = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            total = zlib.crc32(piece, total)
    return [path.stat().st_size, total]
