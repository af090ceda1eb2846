"""One optimizer step: draw, forward, backward, optimizer, updates; in this order, for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from ..data import Batch, WholeBatch
from ..errors import RAISED, RunError
from ..graph.spec import Train
from ..ports.draws import GENERATOR
from ..program.assemble import seed_of
from ..program.program import Program
from ..world import waits_in_vain
from .checkpoint_file import named
from .checkpoint_parts import own_parts
from .clip import clip_gradients
from .commit import join_carried, revocable_updates_of, take_apart, updates_of
from .compiling import Compiled, compiles, is_told
from .device import prepare
from .exchange import Exchange
from .failures import no_backward
from .layout import lay_out
from .means import mean_of, over_all
from .optim import build_optimizer, unrecordable
from .precision import Precision
from .rates import set_rates
from .replay import CudaRecorder, Recorder, Replay, recording

OF_THE_DEVICE = ("lr", "fused", "foreach", "capturable")  # of the optimizer's groups: how it computes, not what


class NonFiniteError(RunError):
    """A loss that is not finite, with the terms that it is made of."""

    def __init__(self, terms: Mapping[str, Tensor]) -> None:
        self.terms = {name: float(term) for name, term in terms.items()}
        super().__init__(", ".join(f"{name} = {value:g}" for name, value in self.terms.items()))


class Step:
    """Runs a program's steps.

    All randomness of step t is drawn from generators seeded by (seed, t): a resumed run needs no generator state.
    steps, steps_per_epoch: optimizer steps of the whole training and of an epoch, which the schedules span.
    recorder: records the step to launch it as one; default on a CUDA device, unless `train.cuda_graph` is off.
    rate: the learning rate of the last step, before the nodes' own factors.
    """

    def __init__(
        self, program: Program, train: Train, precision: Precision, device: torch.device,
        steps: int, steps_per_epoch: int, recorder: Recorder | None = None,
    ) -> None:  # fmt: skip
        self.program, self.train, self.precision, self.device = program, train, precision, device
        self.steps, self.steps_per_epoch = steps, steps_per_epoch
        prepare(device)
        module = program.forward.train()
        lay_out(module, device, channels_last=train.channels_last)
        parts = train.shard == "full" and program.placing.processes > 1
        self._unrecordable = "train.shard is full" if parts else unrecordable(train)
        if self._unrecordable:
            recorder = None
        elif recorder is None and device.type == "cuda" and train.cuda_graph != "off":
            recorder = CudaRecorder(device)
        compiled = compiles(train.compile, device)
        self.exchange = Exchange(program, train, compiled) if program.placing.processes > 1 else None
        whole = program.forward if self.exchange is None else self.exchange.whole.forward
        given = {} if self.exchange is None else {"given": self.exchange.optimized}
        self.optimizer = build_optimizer(module, train, device, recorded=recorder is not None, **given)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.generator = torch.Generator(device)
        self._functions = Compiled(
            {
                "forward": module.forward, "forward_whole": whole.forward, "commit": updates_of(program),
                "commit_unless": revocable_updates_of(program),
            },
            train.compile, device, [node.component.cls for node in program.graph.nodes.values()],
            whole=not parts,
        )  # fmt: skip
        # In float16 a process's loss is scaled as its part of the loss of all: else it would overflow sooner.
        self._shares = 1 if precision.scaler is None else program.placing.processes
        self.rate = 0.0
        self._number = torch.zeros((), dtype=torch.int64, device=device)
        self._spoilt = torch.full((), -1, dtype=torch.int64, device=device)
        self.replay = None
        if recorder is not None:
            size = program.shapes.batch // program.placing.processes
            self.replay = Replay(self._run, recorder, size, [self.generator], self._undo)

    def __call__(self, step: int, batches: Sequence[Batch]) -> dict[str, Any]:
        """Takes the batches of one optimizer step, `accumulate` of them; gives the last forward pass's outputs.

        `loss` and `terms` are means over the batches, still on the device; the next step may overwrite them.
        """
        for program in (self.program, *([] if self.exchange is None else [self.exchange.whole])):
            program.set_schedules(step, self.steps, self.steps_per_epoch)
        self.rate = set_rates(self.optimizer, self.train, step, self.steps, self.steps_per_epoch)
        self._number.fill_(step)
        sizes = tuple(len(batch.index) for batch in batches)
        with GENERATOR:
            return self._functions.take(sizes, lambda: self._take(step, batches), self._keep)

    def _take(self, step: int, batches: Sequence[Batch]) -> dict[str, Any]:
        seed = seed_of(self.train.seed, "step", step)
        self.generator.manual_seed(seed)
        torch.manual_seed(seed)  # for nodes with a randomness of their own, such as dropout
        # A batch that all processes have whole is the last of an epoch, and short.
        plain = self.replay is None or any(isinstance(batch, WholeBatch) for batch in batches)
        return self._run(batches) if plain else self.replay(batches)  # type: ignore[misc]

    def _run(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """What the device does of a step: nothing here depends on a number that changes from step to step."""
        outputs = []
        for batch in batches:
            output = self._exchanged(batch, last=batch is batches[-1])
            self._backward(self.precision.scaled(output["loss"] * (1 / (len(batches) * self._shares))))
            outputs.append(output)
        skipped = self._optimize()
        self._update(skipped, [output["carried"] for output in outputs])
        means = mean_of(outputs)
        self._note(means["loss"])
        return means

    def _exchanged(self, batch: Batch, *, last: bool) -> dict[str, Any]:
        """The forward pass of one batch, and with several processes of this one's part of it.

        The numbers that are read of it are the means over the processes. last: of the batches of the step.
        """
        if self.exchange is None:
            output = self._forward(batch, "forward", self.program.draw(len(batch.index), self.generator, self.device))
            output = {**output, "mean": output["loss"].detach()}
        else:
            rows = not isinstance(batch, WholeBatch)
            program, name = (self.program, "forward") if rows else (self.exchange.whole, "forward_whole")
            self.exchange.take_rows(rows)
            draws = program.draw(len(batch.index) * program.placing.processes, self.generator, self.device)
            output = over_all(self.exchange.forward(lambda: self._forward(batch, name, draws), last), rows)
        # No sync on a CPU: before weights are spoilt.
        if self.replay is None and self.device.type == "cpu" and not torch.isfinite(output["mean"]):
            raise NonFiniteError(output["terms"])
        return output

    def _forward(self, batch: Batch, name: str, draws: tuple[Any, ...]) -> dict[str, Any]:
        """The forward pass of one batch, by one of the step's functions."""
        arguments = (*(getattr(batch, name) for name in self.program.inputs), *batch.cuts, *draws)
        with self.precision.autocast():
            output: dict[str, Any] = self._call(name, *arguments)
        return output

    def _backward(self, loss: Tensor) -> None:
        """The backward pass, in which a node's own autograd functions may fail."""
        try:
            torch.autograd.backward(loss)
        except RAISED as error:
            if is_told(error) or waits_in_vain(error) or self._functions.at_risk or recording(self.device):
                raise
            raise no_backward(error, self.program, self.precision, self.device) from error

    def _optimize(self) -> Tensor | None:
        """The optimizer's step. With a gradient scaler: whether it skipped the step, bool, 0-d, on the device."""
        scaler, clip = self.precision.scaler, self.train.clip
        if self.exchange is not None:
            self.exchange.hand_over()
            if self._shares > 1:
                torch._foreach_mul_([p.grad for p in self.parameters if p.grad is not None], float(self._shares))
        if clip is not None:
            if scaler is not None:
                scaler.unscale_(self.optimizer)
            clip_gradients(self.parameters, clip)
        skipped = None
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            (found,) = scaler._found_inf_per_device(self.optimizer).values()
            skipped = found > 0
            scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return skipped

    def _update(self, skipped: Tensor | None, carried: Sequence[tuple[Any, ...]]) -> None:
        """The updates, on what the batches carried out. skipped: whether the optimizer skipped its step."""
        values = [take_apart(value) for value in join_carried(carried, self.program.batched)]
        with torch.no_grad():
            if skipped is None:
                self._call("commit", *values)
            else:
                self._call("commit_unless", skipped, *values)

    def _call(self, name: str, *arguments: Any) -> Any:
        """One of the step's functions. Where a node fails in it, the error names the node."""
        try:
            return self._functions(name, *arguments)
        except RAISED as error:
            if is_told(error) or waits_in_vain(error):
                raise
            if name == "forward" and self.exchange is None and not recording(self.device):
                found = self.program.locate(arguments, error)  # itself, where it needs a gradient to fail
                raise (found if found is not error or self._functions.at_risk else self.program.blame(error)) from error
            if not name.startswith("forward") and self._functions.at_risk:
                raise  # the step is taken again, as it is written
            raise self.program.blame(error, updates=not name.startswith("forward")) from error

    def _note(self, loss: Tensor) -> None:
        """Remembers, on the device, the first step whose loss is not finite."""
        bad = ~torch.isfinite(loss) & (self._spoilt < 0)
        self._spoilt.copy_(torch.where(bad, self._number, self._spoilt))

    def _keep(self) -> Callable[[], None]:
        """Keeps what a checkpoint holds, on the CPU. Gives what takes a step back that was not taken to its end."""
        state = self._state()
        before = tree_map_only(Tensor, lambda t: t.to("cpu", copy=True), state)
        before["model"]._metadata = state["model"]._metadata  # the versions of the nodes' states

        def put_back() -> None:
            self._undo()
            self.load(before)
            if self.replay is not None:
                self.replay.restart()

        return put_back

    def _undo(self) -> None:
        """What a step that was not taken to its end has left: gradients, a scaler in mid-step."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.precision.scaler is not None:
            self.precision.scaler._per_optimizer_states.clear()

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled."""
        return self._functions.active

    @property
    def uncompiled(self) -> str | None:
        """Why steps are not compiled, though they should be; None otherwise."""
        return self._functions.reason

    @property
    def unrecorded(self) -> str | None:
        """Why steps are not recorded, though they should be; None otherwise."""
        if self.replay is None:
            return self._unrecordable if self.device.type == "cuda" and self.train.cuda_graph != "off" else None
        return self.replay.reason

    def first_not_finite(self) -> int | None:
        """The first step whose loss was not finite. Waits for the device."""
        step = int(self._spoilt)
        return None if step < 0 else step

    def settle(self) -> None:
        """Makes the states of all processes one, before somebody looks at them."""
        if self.exchange is not None:
            self.exchange.settle()

    @property
    def in_parts(self) -> bool:
        """Whether this process has only parts of weights or states."""
        return self.exchange is not None and self.exchange.in_parts

    def whole_weights(self) -> AbstractContextManager[None]:
        """Meanwhile this process has all weights."""
        return nullcontext() if self.exchange is None else self.exchange.whole_weights()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of weights, states and optimizer.

        With several processes it has this one's part of what lies in parts.
        """
        state = self._state()
        return state if self.exchange is None else {**state, "model": self.exchange.parts_state(state["model"])}

    def _state(self) -> dict[str, Any]:
        """What this process has of it."""
        scaler = self.precision.scaler
        return {
            "model": self.program.forward.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load(self, state: dict[str, Any]) -> None:
        """The reverse of `state`, while no recording is in use. The checkpoint may be of another kind of device.

        Its weights may be in parts, in a folder that it names, of another number of processes.
        """
        state = own_parts(state, named(self.state()), self.parameters)
        model = state["model"] if self.exchange is None else self.exchange.own_state(state["model"])
        self.program.forward.load_state_dict(model)
        here = [{k: group[k] for k in OF_THE_DEVICE if k in group} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, here, strict=True):
            group.update(own)
        if self.precision.scaler is not None and state["scaler"]:
            self.precision.scaler.load_state_dict(state["scaler"])
