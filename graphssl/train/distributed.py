"""Gradients that are those of all processes: torch's DistributedDataParallel, around the step's forward pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .. import world
from ..program.assemble import assemble
from ..program.masks import draw_for_all
from ..program.owned import own_state, part_banks, whole_state
from ..program.program import Program
from ..program.synced import settle, synchronise, take_rows

__all__ = ["Exchange"]


class _Shell(nn.Module):
    """Has the nodes' parameters, and runs what it is given: what that is may change, compiled or not."""

    def __init__(self, nodes: nn.Module) -> None:
        super().__init__()
        self.nodes = nodes

    def forward(self, run: Callable[[], Any]) -> Any:
        return run()


class Exchange:
    """What goes between the processes in a step of a program.

    Nodes that get rows have batch norm over all processes from here on and their dropout drawn for all, and targets
    that deal the batch out deal it to all. Targets, queues and banks are written alike everywhere, from what is
    gathered; banks with `shard: rows` keep this process's rows only.
    whole: the program for a batch that all processes have whole, of the same nodes. owned: parts of banks, by the key
    that the whole has in a checkpoint.
    """

    def __init__(self, program: Program, accumulate: int) -> None:
        nodes = {name: program.node(name) for name in program.graph.nodes}
        device = next(program.forward.parameters()).device
        self.owned = part_banks(nodes, world.current(), program.placing.why)
        self.whole = assemble(program.graph, program.shapes, nodes, device)
        names = {call.node for call in program.graph.step_calls() if call.id in program.placing.calls}
        by_rows = [nodes[name] for name in sorted(names & nodes.keys())]
        self._norms = synchronise(by_rows)
        self._masks = draw_for_all(nodes, program.placing.masks)
        self._dealing: list[Any] = [node for node in by_rows if hasattr(node, "exchange")]
        self._rows: bool | None = None
        self.take_rows(True)
        with warnings.catch_warnings(action="ignore"):  # of a newer name of what is said by an older one
            # Buffers follow by construction. What a step does not use, such as a class token, is found out once, or
            # where batches are accumulated, which a graph that is fixed does not take, at each step.
            self._wrapped = DistributedDataParallel(
                _Shell(program.forward), broadcast_buffers=False, static_graph=accumulate == 1,
                find_unused_parameters=accumulate > 1,
            )  # fmt: skip

    def forward(self, run: Callable[[], Any], last: bool) -> Any:
        """Runs the forward pass. last: whether the gradients go between the processes in the backward pass after it."""
        held: AbstractContextManager[Any] = nullcontext() if last else self._wrapped.no_sync()
        with held:
            return self._wrapped(run)

    def take_rows(self, rows: bool) -> None:
        """Whether a step takes each process's rows from now on, or the whole of a batch that is too small to part."""
        if rows == self._rows:
            return
        self._rows = rows
        take_rows([*self._norms, *self._masks], rows)
        for node in self._dealing:
            node.exchange = world.exchanged if rows else None

    def settle(self) -> None:
        """Makes the states of all processes one where they may differ until somebody looks."""
        settle(self._norms)

    def whole_state(self, model: dict[str, Any]) -> dict[str, Any]:
        """A model's state as a checkpoint has it, of no number of processes; all call it. The first has all rows."""
        return whole_state(model, self.owned)

    def own_state(self, model: dict[str, Any]) -> dict[str, Any]:
        """Of the state in a checkpoint what this process has."""
        return own_state(model, self.owned)

    def rows_of(self, key: str) -> tuple[int, int] | None:
        """The first of the rows of a state that this process has, and how many; None where it has all."""
        return (self.owned[key].first, self.owned[key].count) if key in self.owned else None
