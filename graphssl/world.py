"""The processes that train together, and what goes between them; a process alone is a world of one.

Started by torchrun, which sets RANK, WORLD_SIZE and the rest. Every process runs the same program on its rows of each
batch. A value is either `rows`, the process's own part of the batch, or whole, the same in every process. The loss of
the world is the mean over its processes of what each computes, and gradients follow from that: what is gathered hands
back to each process the sum of the gradients of all.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from .console import met, patience, started
from .errors import RunError, Stopped
from .ports import Negatives, Own, Pairs

__all__ = [
    "World", "concatenated", "current", "each_of_rows", "everywhere", "exchanged", "gathered", "in_store",
    "mean_of_all", "of_all", "own_part", "parts_near", "pooled", "stops_elsewhere", "swapped", "the_same", "together",
    "waits_in_vain",
]  # fmt: skip

T = TypeVar("T")
HERE = "LOCAL_WORLD_SIZE"
SIGNS = ("onnection closed", "onnection reset", "imed out", "imeout", "roken pipe", "gloo/", "NCCL", "remote process")
STOPPED_KEY = "graphssl/stopped"  # in the store that the processes meet in, a new one for each start
PATIENCE = datetime.timedelta(seconds=patience())  # with the silent


@dataclass(frozen=True)
class World:
    """rank: of this process, from 0. size: how many there are. local, here: its number on its machine, and how many
    are there."""

    rank: int = 0
    size: int = 1
    local: int = 0
    here: int = 1

    @property
    def first(self) -> bool:
        """Whether this process speaks for all: to the screen, to MLflow, to the disk."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """The rows of n that are this process's own; n is a multiple of the processes."""
        each = n // self.size
        return slice(self.rank * each, (self.rank + 1) * each)


def parts_near(batch: int, processes: int) -> str:
    """The batches next to one that so many processes can part evenly, in words."""
    below, above = batch // processes * processes, (batch // processes + 1) * processes
    return f"{below} or {above} can be parted" if below else f"{above} can be parted"


_world = World()


def current() -> World:
    """The world that this process is in."""
    return _world


@contextmanager
def together(device: torch.device) -> Iterator[World]:
    """Joins the other processes, where torchrun has started several; ends what is between them at the end."""
    global _world
    if not started() or _world.size > 1:
        yield _world
        return
    # Flags go between the processors, so that no device is waited for.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
        fresh = dist.distributed_c10d.PrefixStore(met(store, rank, size, PATIENCE.total_seconds()), store)
        dist.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=PATIENCE)
    except Exception as error:
        raise RunError(f"the processes do not find each other: {str(error).splitlines()[0]}") from error
    local, here = (int(os.environ.get(name, default)) for name, default in (("LOCAL_RANK", "0"), (HERE, "1")))
    before, _world = _world, World(dist.get_rank(), dist.get_world_size(), local, here)
    try:
        with stops_elsewhere():
            yield _world
    except Stopped:
        in_store(lambda store: store.set(STOPPED_KEY, b""))
        raise
    except Exception as error:
        told = _lost(error)
        # The first that has an error to tell does; the others fail for the same reason, or of it.
        told.quiet = in_store(lambda store: store.add("graphssl/told", 1)) not in (None, 1)  # type: ignore[attr-defined]
        if told is error:
            raise
        raise told from error
    finally:
        _world = before
        dist.destroy_process_group()


def waits_in_vain(error: BaseException) -> bool:
    """Whether an error is another process's: that is gone, or does not answer."""
    text = str(error)
    return _world.size > 1 and not isinstance(error, RunError) and any(sign in text for sign in SIGNS)


def _lost(error: Exception) -> Exception:
    """What is told of an error: where another process was waited for in vain, that."""
    if not waits_in_vain(error):
        return error
    return RunError(
        f"process {_world.rank} has waited for another one in vain: it has ended, or has not answered for "
        f"{PATIENCE.total_seconds():g} s (GRAPHSSL_PATIENCE, in seconds)"
    )


@contextmanager
def stops_elsewhere() -> Iterator[None]:
    """Raises Stopped where another process was waited for in vain that a signal has stopped."""
    try:
        yield
    except Exception as error:
        if not waits_in_vain(error) or not in_store(lambda store: store.check([STOPPED_KEY])):
            raise
        raise Stopped("a signal to another process") from error


def in_store(ask: Callable[[Any], T]) -> T | None:
    """What the store says that the processes met in; None where who keeps it is gone."""
    try:
        return ask(dist.distributed_c10d._get_default_store())
    except Exception:
        return None


# -- within a step ---------------------------------------------------------------------------------------------------


def gathered(value: T) -> T:
    """A value of the rows of all processes, in the order of the samples: rows to whole.

    A tensor by its first axis; of negatives and scores what they say of each sample. Entries are whole already.
    """
    result: T = each_of_rows(_gather, value)
    return result


def own_part(value: T, world: World | None = None) -> T:
    """Of a whole value the rows of this process. world: default the one that it is in."""
    place = world or _world
    result: T = each_of_rows(lambda tensor: tensor[place.part(len(tensor))], value)
    return result


def exchanged(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """This process's rows of what a function makes of the rows of all."""
    return own_part(function(gathered(rows)))


def pooled(tensor: Tensor) -> Tensor:
    """The tensors of all processes, one after the other along a new first axis. Without a gradient."""
    return _all(tensor[None])


def swapped(parts: Tensor) -> Tensor:
    """Part i of each process for process i, along the first axis: gives, of each process, what it has for this one.

    Without a gradient.
    """
    each = [1] * _world.size
    made = torch.ops._c10d_functional.all_to_all_single(parts.contiguous(), each, each, _group())
    result: Tensor = torch.ops._c10d_functional.wait_tensor(made)
    return result


def mean_of_all(tensor: Tensor) -> Tensor:
    """The mean over the processes, without a gradient."""
    return _reduced(tensor.detach()) / _world.size


def each_of_rows(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Done to what a value has for each sample."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Pairs):
        return value._replace(query=function(value.query))
    if isinstance(value, Own):
        return value._replace(place=function(value.place))
    if isinstance(value, Negatives):
        return Negatives(value.entries, *(each_of_rows(function, member) for member in value[1:]))
    if isinstance(value, tuple):
        members = (each_of_rows(function, member) for member in value)
        return type(value)(*members) if hasattr(value, "_fields") else tuple(members)
    return value


def _gather(tensor: Tensor) -> Tensor:
    result: Tensor = _Gather.apply(tensor) if tensor.is_floating_point() else _all(tensor)
    return result


def _all(tensor: Tensor) -> Tensor:
    if tensor.dtype == torch.bool:  # which not every backend sends
        return _all(tensor.to(torch.uint8)).to(torch.bool)
    made = torch.ops._c10d_functional.all_gather_into_tensor(tensor.contiguous(), _world.size, _group())
    result: Tensor = torch.ops._c10d_functional.wait_tensor(made)
    return result


def _reduced(tensor: Tensor) -> Tensor:
    made = torch.ops._c10d_functional.all_reduce(tensor.contiguous(), "sum", _group())
    result: Tensor = torch.ops._c10d_functional.wait_tensor(made)
    return result


def _group() -> str:
    name: str = dist.group.WORLD.group_name  # type: ignore[union-attr]
    return name


class _Gather(torch.autograd.Function):
    """All rows; backward, each process's rows of the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _all(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        made = torch.ops._c10d_functional.reduce_scatter_tensor(gradient.contiguous(), "sum", _world.size, _group())
        result: Tensor = torch.ops._c10d_functional.wait_tensor(made)
        return result


# -- between steps ---------------------------------------------------------------------------------------------------


def the_same(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them; where it fails, all fail, and only the first says why."""
    if _world.size == 1:
        return make()
    box: list[Any] = [None, None]
    if _world.first:
        try:
            box[0] = make()
        except Exception as error:
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    found: T = box[0]
    return found


def everywhere(flag: bool) -> bool:
    """Whether it is true in any process."""
    if _world.size == 1:
        return flag
    votes = torch.tensor(int(flag))
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return bool(votes)


def of_all(value: T) -> list[T]:
    """What each process has, in their order."""
    if _world.size == 1:
        return [value]
    found: list[Any] = [None] * _world.size
    dist.all_gather_object(found, value)
    return found


def concatenated(rows: Tensor) -> Tensor:
    """The rows of all processes in their order, which may be of different numbers. Without a gradient."""
    if _world.size == 1:
        return rows
    counts = pooled(torch.tensor(len(rows), device=rows.device)).tolist()
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    return torch.cat([part[:n] for part, n in zip(pooled(padded), counts, strict=True)])
