"""The updates of a step: on what all of its batches carried out, and taken back where the step was skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RAISED, ran_out
from ..ports import Negatives, Scores, joined
from ..ports.draws import GENERATOR
from ..program.assemble import seed_of
from ..program.program import Program
from ..world import waits_in_vain

__all__ = ["end_epoch", "join_carried", "revocable_updates_of", "take_apart", "updates_of"]


def join_carried(carried: Sequence[tuple[Any, ...]], batched: Sequence[bool]) -> tuple[Any, ...]:
    """The carried values of all batches: those with a batch axis joined in order, others the last."""
    if len(carried) == 1:
        return carried[0]
    parts = zip(*carried, strict=True)
    return tuple(joined(part) if batch else part[-1] for part, batch in zip(parts, batched, strict=True))


def take_apart(value: Any) -> Any:
    """Scores and negatives as a plain tuple, with their kind.

    Of an argument that is one, compiled code asks for each field by name before it runs, and that computes what is not
    computed yet.
    """
    return (type(value), *value) if isinstance(value, Scores | Negatives) else value


def _put_together(value: Any) -> Any:
    """The reverse of `take_apart`."""
    return value[0](*value[1:]) if isinstance(value, tuple) and isinstance(value[0], type) else value


def updates_of(program: Program) -> Callable[..., None]:
    """The updates, of values that are taken apart."""

    def commit(*carried: Any) -> None:
        program.commit(*[_put_together(value) for value in carried])

    return commit


def revocable_updates_of(program: Program) -> Callable[..., None]:
    """The updates, taken back where the step was skipped.

    Only the device knows whether it was, and to ask would be to wait for it at every step. So nodes that can leave
    their states alone by themselves, large stores above all, are told; what the updates of others write is kept
    meanwhile, and put back or not: a copy of a ResNet-50 that follows is 100 MB.
    """
    nodes = [program.node(name) for name in dict.fromkeys(call.node for call in program.graph.update_calls("step"))]
    # Not a class derived from one that can: it may write more.
    told: list[Any] = [node for node in nodes if "skipped" in vars(type(node))]
    states, commit = _written([node for node in nodes if node not in told]), updates_of(program)

    def commit_unless(skipped: Tensor, *carried: Any) -> None:
        before = [state.clone() for state in states]
        for node in told:
            node.skipped = skipped
        commit(*carried)
        for node in told:
            node.skipped = None
        for state, old in zip(states, before, strict=True):
            torch.where(skipped, old, state, out=state)

    return commit_unless


def end_epoch(program: Program, seed: int, epoch: int) -> None:
    """The updates of an epoch's end, after its last step and before anything of it is kept; epochs count from 0.

    They run as they are written, once in a while: neither compiled nor recorded, the same in every process. Where a
    node fails, the error names it.
    """
    if not program.graph.update_calls("epoch"):
        return
    with GENERATOR, torch.no_grad():
        torch.manual_seed(seed_of(seed, "epoch", epoch))  # for nodes with a randomness of their own
        try:
            program.close()
        except RAISED as error:
            if waits_in_vain(error) or ran_out(error):
                raise
            raise program.blame(error, updates=True) from error


def _written(nodes: Sequence[nn.Module]) -> list[Tensor]:
    """What updates may write of nodes: the buffers, and the parameters that no optimizer changes."""
    tensors = [t for node in nodes for t in (*node.buffers(), *node.parameters()) if not t.requires_grad]
    return list({id(t): t for t in tensors}.values())
