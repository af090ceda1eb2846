"""A step's program: torch.fx code whose lines are the graph's calls.

`Program.forward` is a GraphModule whose children are the nodes by their YAML names, so that the code is readable
(`graphssl show --code`) and state keys are `encoder.*`, `target.*`, `queue.keys`. `Program.commit` holds the
updates. Randomness is drawn by `Program.draw`, outside of both.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..checks.shapes import Shapes
from ..code import own_line
from ..errors import RAISED, ran_out
from ..graph.calls import Call
from ..graph.graph import Graph
from ..graph.slips import failed
from ..ports import Cut
from ..ports.draws import draws_of
from ..schedule import Schedule
from ..world import current
from .emission import Emission, readable
from .masks import views_outside
from .placing import Placing
from .synced import norms_of, parts_of

ScheduledTensor = tuple[Tensor, Schedule[Any]]  # 0-d, and what to write into it


@dataclass(frozen=True)
class Program:
    """A compiled graph.

    forward(fields..., cuts..., draws...): takes the batch fields in `inputs`, a tuple of tensors for each call in
    `cut`, whose views are cut of whole pictures before the step, and one for each random call; gives `loss` (0-d),
    `terms` (0-d, by name), `bounds` (by term, what its objective says of mutual information, in nats), `carried` (what
    the updates take), `watch` (for each line that compares embeddings, the first pair, detached) and, with an online
    probe, `probed` (what it learns from, detached).
    commit(carried...): writes the states; called after the optimizer's step. close(): writes those that are written at
    the end of an epoch.
    """

    graph: Graph
    shapes: Shapes
    forward: fx.GraphModule
    commit: fx.GraphModule
    close: fx.GraphModule
    inputs: tuple[str, ...]
    cut: tuple[Call, ...]
    random: tuple[tuple[Call, int], ...]
    batched: tuple[bool, ...]
    schedules: tuple[ScheduledTensor, ...]
    placing: Placing

    def node(self, name: str) -> nn.Module:
        return self.forward.get_submodule(name)

    @property
    def cuts(self) -> tuple[tuple[Cut, ...], ...]:
        """What is cut of each picture before a step, for each call in `cut`."""
        return tuple(tuple(self.node(call.node).cuts) for call in self.cut)  # type: ignore[arg-type]

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Any, ...]:
        """The random numbers of one step for a batch of b samples, one entry for each random call.

        b: of the batch of all processes; a call on a process's rows gets those of its samples.
        """
        drawn = []
        for call, times in self.random:
            node = self.node(call.node)
            try:
                found = node.draw(b * times, generator, device)  # type: ignore[operator]
            except RAISED as error:
                raise failed(f"'{call.node}' cannot draw", error, call.span) from error
            if call.id in self.placing.calls:
                found = draws_of(node, found, b, current().part(b), views_outside(call, self.shapes), times)
            drawn.append(found)
        return tuple(drawn)

    def features(self, name: str) -> nn.Module:
        """What gives the features of plain, normalised images that `name` stands for: a node, a copy that a moving
        average keeps of one, or a value of the flow.

        It shares the nodes' weights.
        """
        if self.graph.original(name) in self.graph.nodes:
            return self.node(name)
        code = Emission(self.graph, self.shapes).features(self.graph.values[name])
        module = fx.GraphModule(self.forward, code, "Features")
        module.graph.eliminate_dead_code()
        module.recompile()
        return module

    def set_schedules(self, step: int, steps: int, steps_per_epoch: int) -> None:
        """Writes every scheduled value, a 0-d tensor, for an optimizer step."""
        for tensor, schedule in self.schedules:
            tensor.fill_(schedule.at(step, steps, steps_per_epoch))

    def code(self) -> str:
        """The step as Python: the forward pass, then the updates."""
        forward = readable(self.forward.code)
        if self.placing.processes > 1:
            forward = f"{self._said_of_processes()}\n{forward}"
        parts = [forward]
        for name, every, module in (("update", "step", self.commit), ("end_of_epoch", "epoch", self.close)):
            if self.graph.update_calls(every):
                parts.append(readable(module.code).replace("def forward(", f"def {name}("))
        return "\n\n".join(parts)

    def _said_of_processes(self) -> str:
        """What a step of several processes does beside its code."""
        size, calls = self.placing.processes, self.graph.step_calls()
        rows = dict.fromkeys(c.node for c in calls if c.id in self.placing.calls and c.node in self.graph.nodes)
        norms = [name for name in rows if any(parts_of(m) % size for m in norms_of(self.node(name)))]
        found = [f"# One of {size} processes, on its rows. Gradients are the mean over all."]
        return "\n".join(found + [f"# Batch norm of {', '.join(norms)} is over all."] * bool(norms))

    def locate(self, arguments: tuple[Any, ...], error: BaseException) -> BaseException:
        """Names the graph's line at which the forward pass fails: runs it again, call by call."""
        interpreter = _Locator(self.forward)
        try:
            with torch.no_grad():
                interpreter.run(*arguments)
        except RAISED as again:
            call = interpreter.call
            if ran_out(again):  # which a library in torch tells in no words of its own
                return again
            if call is not None:
                if isinstance(again.args[0] if again.args else None, str):
                    text = again.args[0].split("\n\nWhile executing", 1)[0].strip()  # what fx adds
                    again.args = (text, *again.args[1:])
                return failed(f"'{call.node}' failed", again, call.span)
        return error

    def blame(self, error: BaseException, *, updates: bool = False) -> BaseException:
        """Names the node that the error passed through, and its line where all its calls stand in one.

        updates: whether the updates were under way.

        For a step that is recorded, or of several processes: nothing may be run again.
        """
        if (name := self.node_in(error)) is not None:
            calls = self.graph.update_calls() if updates else self.graph.step_calls()
            spans = {call.span: None for call in calls if call.node == name}
            (span, *others) = spans or (None,)
            return failed(f"'{name}' failed", error, None if others else span)
        return error if own_line(error) is None else failed("a step failed", error)

    def node_in(self, error: BaseException) -> str | None:
        """The name of the first node that an error passed through, if there is one."""
        names = {id(self.node(name)): name for name in self.graph.nodes}
        frames = traceback.walk_tb(error.__traceback__)
        return next((names[one] for frame, _ in frames if (one := id(frame.f_locals.get("self"))) in names), None)


class _Locator(fx.Interpreter):
    """Remembers the graph's call that is running."""

    call: Call | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.call = n.meta.get("call", self.call)
        return super().run_node(n)
