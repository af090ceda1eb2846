"""What torch.distributed does: processes are started, gradients are DDP's, weights in parts FSDP's, on disk and off."""

from __future__ import annotations

import functools
import logging
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map_only

from .. import world
from ..console import INTERRUPTED, STOPPED, say

__all__ = [
    "is_parted", "launch", "local", "part", "parted_like", "read_tensors", "repeated", "shared", "wrapped",
    "write_tensors",
]  # fmt: skip


def launch(arguments: Sequence[str], processes: int) -> int:
    """Runs `python -m graphssl` with these arguments in so many processes; gives their exit code, as torchrun does not.

    By torchrun's own launcher, with the options that it reads from the environment, such as PET_NNODES.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # a process says itself why it ends
    try:
        run(parse_args([f"--nproc-per-node={processes}", "-m", "graphssl", *arguments]))
    except SignalException as ended:  # the processes have had it too, and have stopped by themselves
        return INTERRUPTED if ended.sigval == signal.SIGINT else STOPPED
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        if first.exitcode > 0:
            return first.exitcode
        say(f"graphssl: process {rank} was ended by {signal.Signals(-first.exitcode).name}", err=True)
        return 1
    return 0


class _Shell(nn.Module):
    """Has the nodes' parameters, and runs what it is given: what that is may change, compiled or not."""

    def __init__(self, nodes: nn.Module) -> None:
        super().__init__()
        self.nodes = nodes

    def forward(self, run: Callable[[], Any]) -> Any:
        return run()


def wrapped(nodes: nn.Module, accumulate: int) -> DistributedDataParallel | None:
    """DDP, which gives the parameters that are not parted the mean of the gradients; None where there are none."""
    shell = _Shell(nodes)
    if not any(p.requires_grad and not is_parted(p) for p in shell.parameters()):
        return None
    ignored = [name for name, p in shell.named_parameters() if is_parted(p)]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(shell, ignored)
    with warnings.catch_warnings(action="ignore"):  # of a newer name of what is said by an older one
        # Buffers follow by construction. What a step does not use, such as a class token, is found out once, or
        # where batches are accumulated, which a graph that is fixed does not take, at each step.
        return DistributedDataParallel(
            shell, broadcast_buffers=False, static_graph=accumulate == 1, find_unused_parameters=accumulate > 1
        )


# -- weights in parts: torch.distributed's own tensors, which are imported late ----------------------------------------


def part(modules: Sequence[nn.Module], device: torch.device, compiled: bool) -> list[nn.Module]:
    """Parts the weights of modules among all processes. Gives the modules. compiled: whether the step is."""
    if modules:
        from torch.distributed.fsdp import fully_shard
    own = torch.compiler.disable(_own) if compiled else _own  # FSDP's own hooks are left as they are too
    for module in modules:
        for parameter in module.parameters():
            parameter.data = parameter.data.contiguous()  # FSDP knows no other order in memory
        module.register_forward_hook(own)
        numbers = {p for p in module.parameters() if not p.ndim}  # which cannot be parted
        # Targets are called without a gradient, after which nothing else would give back what was gathered.
        fully_shard(module, mesh=_mesh(device.type), reshard_after_forward=True, ignored_params=numbers)
    return list(modules)


def _own(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    """Views as tensors of their own: written in place, a view would lose what gathers the weights again."""
    return tree_map_only(Tensor, lambda tensor: tensor.clone() if tensor._is_view() else tensor, output)


@functools.cache
def _mesh(device: str) -> Any:
    """All processes in a row."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device, (world.current().size,))


def repeated(tensor: Tensor) -> Tensor:
    """A tensor that is whole everywhere, as one of all processes. It shares its numbers."""
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(tensor, _mesh(tensor.device.type), [Replicate()], run_check=False)


def shared(rows: Tensor, n: int) -> Tensor:
    """Of the n rows of a tensor of all processes this one's, which are as many as `torch.chunk` gives it."""
    from torch.distributed.tensor import DTensor, Shard

    shape = torch.Size((n, *rows.shape[1:]))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(
        rows, _mesh(rows.device.type), [Shard(0)], run_check=False, shape=shape, stride=stride
    )  # fmt: skip


def local(tensor: Any) -> Tensor | None:
    """What this process has of a tensor of all; None for one that it has all of."""
    return tensor.to_local() if is_parted(tensor) else None


def is_parted(tensor: Tensor) -> bool:
    """Whether it is a tensor of all processes, of which each has a part."""
    return hasattr(tensor, "placements")


def parted_like(value: Tensor, like: Any) -> Tensor:
    """Of a whole value what this process has of a tensor like it; the value itself beside one that is whole."""
    if not is_parted(like) or is_parted(value):
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(like.device)
    placed: Tensor = distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
    return placed


# -- tensors on disk: torch.distributed.checkpoint --------------------------------------------------------------------


def write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Every process writes what it has of the tensors into a folder; what all have whole, one of them.

    Where it fails in one process, all raise its error.
    """
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    planner = DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    with _of_any():
        save(dict(tensors), storage_writer=FileSystemWriter(folder, thread_count=1, sync_files=True), planner=planner)


def read_tensors(folder: Path, like: Callable[[str, torch.Size], Tensor | None]) -> dict[str, Tensor]:
    """The tensors of such a folder: of each what this process has of one like it, or all of it.

    like: a tensor that lies as one of this name and size should, in parts and in memory; None for all of it on the CPU,
    in order. Runs no code that the folder may hold. Raises any error for a folder that is damaged.
    """
    from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = _reader(folder)
    found: dict[str, Any] = {}
    for name, stored in reader.read_metadata().state_dict_metadata.items():
        other = like(name, stored.size)
        empty = torch.empty(stored.size, dtype=stored.properties.dtype)
        found[name] = empty if other is None else torch.empty_like(other, dtype=stored.properties.dtype)
    planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    with _of_any(), warnings.catch_warnings(action="ignore"):  # that each process reads for itself
        load(found, storage_reader=reader, planner=planner, no_dist=True)
    return found


@contextmanager
def _of_any() -> Iterator[None]:
    """Raises what has failed in any process."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as error:
        failed, _ = next(iter(error.failures.values()))
        raise failed from None


def _reader(folder: Path) -> Any:
    from torch.distributed.checkpoint.filesystem import FileSystemReader

    class Reader(FileSystemReader):
        """Whose list of what is stored is read as data: as it comes from torch it may run anything."""

        def read_metadata(self, *args: Any, **kwargs: Any) -> Any:
            with (folder / ".metadata").open("rb") as file:
                found = _Plain(file).load()
            found.storage_meta.load_id = self.load_id
            return found

    return Reader(folder)


class _Plain(pickle.Unpickler):
    """Reads what describes tensors, and refuses everything else: what is no tensor torch would unpickle."""

    ALLOWED: ClassVar = {
        "torch.distributed.checkpoint.metadata": (
            "Metadata", "MetadataIndex", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
            "StorageMeta", "_MEM_FORMAT_ENCODING",
        ),
        "torch.distributed.checkpoint.filesystem": ("_StorageInfo",),
        "torch.serialization": ("_get_layout",),
        "pathlib": ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"),
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if name in self.ALLOWED.get(module, ()):
            return super().find_class(module, name)
        if module == "torch" and (name == "Size" or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")
