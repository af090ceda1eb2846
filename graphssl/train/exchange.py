"""What goes between the processes in a step of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn

from .. import world
from ..graph.spec import Train
from ..program.assemble import assemble
from ..program.masks import draw_for_all, draw_rows
from ..program.owned import own_state, part_banks, parts_state
from ..program.program import Program
from ..program.sharding import parted
from ..program.synced import settle, synchronise, take_rows
from .distributed import is_parted, local, part, repeated, shared, wrapped

__all__ = ["Exchange"]


class Exchange:
    """What goes between the processes in a step of a program.

    Nodes that get rows have batch norm over all processes from here on and their dropout drawn for all, and targets
    that deal the batch out deal it to all. Targets, queues and banks are written alike everywhere, from what is
    gathered; banks with `shard: rows` keep this process's rows only.
    With `train.shard: full` the weights of nodes are parted among the processes, by FSDP; DDP has the gradients of the
    others. compiled: whether the step is.
    whole: the program for a batch that all processes have whole, of the same nodes. owned: parts of banks, by the key
    that the whole has in a checkpoint.
    """

    def __init__(self, program: Program, train: Train, compiled: bool) -> None:
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
        by_node = parted(program.graph, nodes, program.shapes.within) if train.shard == "full" else {}
        self._parts: list[Any] = part([m for modules in by_node.values() for m in modules], device, compiled)
        self._doubles: list[tuple[nn.Parameter, nn.Parameter]] = []
        self._wrapped = wrapped(program.forward, train.accumulate)

    @property
    def in_parts(self) -> bool:
        """Whether a process has only a part of weights, or of a bank."""
        return bool(self._parts or self.owned)

    def forward(self, run: Callable[[], Any], last: bool) -> Any:
        """Runs the forward pass. last: whether the gradients go between the processes in the backward pass after it."""
        if self._wrapped is None:
            return run()
        held: AbstractContextManager[Any] = nullcontext() if last else self._wrapped.no_sync()
        with held:
            return self._wrapped(run)

    def take_rows(self, rows: bool) -> None:
        """Whether a step takes each process's rows from now on, or the whole of a batch that is too small to part."""
        if rows == self._rows:
            return
        self._rows = rows
        take_rows(self._norms, rows)
        draw_rows(self._masks, rows)
        for node in self._dealing:
            node.exchange = world.exchanged if rows else None

    def settle(self) -> None:
        """Makes the states of all processes one where they may differ until somebody looks."""
        settle(self._norms)

    def parts_state(self, model: dict[str, Any]) -> dict[str, Any]:
        """A model's state as a checkpoint has it, of no number of processes: with parts of what is in parts."""
        return parts_state(model, self.owned, shared)

    def own_state(self, model: dict[str, Any]) -> dict[str, Any]:
        """Of the state in a checkpoint what this process has."""
        return own_state(model, self.owned, local)

    # -- parted weights ------------------------------------------------------------------------------------

    def optimized(self, parameter: nn.Parameter) -> nn.Parameter:
        """A parameter as the optimizer gets it: beside parted ones, one that is whole everywhere is said to be so.

        It has the same numbers. No function takes lists of both, and norms and the scaler's verdict are over all.
        """
        if not self._parts or is_parted(parameter):
            return parameter
        double = nn.Parameter(repeated(parameter.detach()))
        self._doubles.append((parameter, double))
        return double

    def hand_over(self) -> None:
        """Gives the gradients of parameters that are whole to those that the optimizer has for them."""
        for parameter, double in self._doubles:
            if (own := local(double.detach())) is not None and own.data_ptr() != parameter.data_ptr():
                own.copy_(parameter.detach())  # an update has given it numbers elsewhere, by `parameter.data = ...`
                parameter.data = own
            double.grad = None if parameter.grad is None else repeated(parameter.grad)
            parameter.grad = None

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """Meanwhile every process has all weights, for calls that not all of them make alike."""
        for module in self._parts:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        try:
            yield
        finally:
            for module in self._parts:
                module.set_reshard_after_forward(True, recurse=False)
                module.reshard()
