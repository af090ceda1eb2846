"""One optimizer step: draw, forward, backward, optimizer, updates; in this order, for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from ..data import Batch
from ..errors import RunError
from ..ports import Negatives, Scores, joined
from ..program.assemble import seed_of
from ..program.program import Program
from ..spec import Train
from .compiling import compiles, failed_to_compile, keep_compiled, reason_of_failure, remove_unused_code
from .malloc import keep_freed
from .optim import build_optimizer
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
    compiled: whether steps are. uncompiled: why they are not, though they should be; None otherwise.
    """

    def __init__(
        self, program: Program, train: Train, precision: Precision, device: torch.device,
        steps: int, steps_per_epoch: int, recorder: Recorder | None = None,
    ) -> None:  # fmt: skip
        self.program, self.train, self.precision, self.device = program, train, precision, device
        self.steps, self.steps_per_epoch = steps, steps_per_epoch
        if device.type == "cuda" and not torch.are_deterministic_algorithms_enabled():
            torch.backends.cudnn.benchmark = True  # batches are all of one shape
        module = program.forward.train()
        if train.channels_last:
            module.to(memory_format=torch.channels_last)
        if recorder is None and device.type == "cuda" and train.cuda_graph != "off":
            recorder = CudaRecorder(device)
        self.optimizer = build_optimizer(module, train, device, recorded=recorder is not None)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.generator = torch.Generator(device)
        if device.type == "cpu":
            keep_freed()
        self.compiled = compiles(train.compile, device)
        self.uncompiled: str | None = None
        self._plain: dict[str, Callable[..., Any]] = {
            "forward": module.forward, "commit": _updates(program), "commit_unless": _revocable(program)
        }  # fmt: skip
        self._functions = self._plain
        if self.compiled:
            keep_compiled([node.component.cls for node in program.graph.nodes.values()])
        self._tried: set[tuple[int, ...]] = set()  # sizes of batches for which the step has been compiled, or was to be
        self._may_fail = False  # whether a step is under way that may be taken back
        self.rate = 0.0
        self._number = torch.zeros((), dtype=torch.int64, device=device)
        self._spoilt = torch.full((), -1, dtype=torch.int64, device=device)
        self.replay = None
        if recorder is not None:
            self.replay = Replay(self._run, recorder, program.shapes.batch, [self.generator], self._undo)

    def __call__(self, step: int, batches: Sequence[Batch]) -> dict[str, Any]:
        """Takes the batches of one optimizer step, `accumulate` of them; gives the last forward pass's outputs.

        `loss` and `terms` are means over the batches, still on the device; the next step may overwrite them.
        """
        self.program.set_schedules(step, self.steps, self.steps_per_epoch)
        self.rate = set_rates(self.optimizer, self.train, step, self.steps, self.steps_per_epoch)
        self._number.fill_(step)
        sizes = tuple(len(batch.index) for batch in batches)
        if self.compiled and sizes not in self._tried:
            self._tried.add(sizes)
            return self._first(step, batches)
        return self._take(step, batches)

    def first_not_finite(self) -> int | None:
        """The first step whose loss was not finite. Waits for the device."""
        step = int(self._spoilt)
        return None if step < 0 else step

    def _first(self, step: int, batches: Sequence[Batch]) -> dict[str, Any]:
        """The first step with batches of these sizes, which compiles; where that fails, the step as it is written.

        It may fail half way: at a kernel that is built when it is first launched, in the backward pass, which is
        compiled when it is first needed, or in the updates. So what a checkpoint holds is kept meanwhile, on the CPU.
        """
        state = self.state()
        before = tree_map_only(Tensor, lambda t: t.to("cpu", copy=True), state)
        before["model"]._metadata = state["model"]._metadata  # the versions of the nodes' states
        self._may_fail = True
        try:
            if self._functions is self._plain:
                self._functions = {
                    name: torch.compile(function, fullgraph=True, dynamic=False)
                    for name, function in self._plain.items()
                }
            outputs = self._take(step, batches)
        except (RunError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            self._give_up(error)
        else:
            remove_unused_code()
            return outputs
        finally:
            self._may_fail = False
        self._undo()
        self.load(before)
        if self.replay is not None:
            self.replay.restart()
        outputs = self._take(step, batches)  # a node that fails is no matter of the compiler's
        self._check_choice()
        return outputs

    def _take(self, step: int, batches: Sequence[Batch]) -> dict[str, Any]:
        seed = seed_of(self.train.seed, "step", step)
        self.generator.manual_seed(seed)
        torch.manual_seed(seed)  # for nodes with a randomness of their own, such as dropout
        return self._run(batches) if self.replay is None else self.replay(batches)

    def _run(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """What the device does of a step: nothing here depends on a number that changes from step to step."""
        outputs = [self._accumulate(batch, 1 / len(batches)) for batch in batches]
        skipped = self._optimize()
        carried = [_apart(value) for value in self._join([o["carried"] for o in outputs])]
        self._commit(skipped, carried)
        means = _mean(outputs)
        bad = ~torch.isfinite(means["loss"]) & (self._spoilt < 0)
        self._spoilt.copy_(torch.where(bad, self._number, self._spoilt))
        return means

    def _undo(self) -> None:
        """What a step that was not taken to its end has left: gradients, a scaler in mid-step."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.precision.scaler is not None:
            self.precision.scaler._per_optimizer_states.clear()

    def _accumulate(self, batch: Batch, share: float) -> dict[str, Any]:
        """Forward and backward of one batch."""
        draws = self.program.draw(len(batch.index), self.generator, self.device)
        arguments = (*(getattr(batch, name) for name in self.program.inputs), *draws)
        with self.precision.autocast():
            try:
                output: dict[str, Any] = self._call("forward", *arguments)
            except (RunError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                if recording(self.device):
                    raise self.program.blame(error) from error
                raise self.program.locate(arguments, error) from error
        loss = output["loss"]
        # No sync on a CPU: before weights are spoilt.
        if self.replay is None and self.device.type == "cpu" and not torch.isfinite(loss):
            raise NonFiniteError(output["terms"])
        torch.autograd.backward(self._scaled(loss * share))
        return output

    def _commit(self, skipped: Tensor | None, carried: Sequence[Any]) -> None:
        try:
            with torch.no_grad():
                if skipped is None:
                    self._call("commit", *carried)
                else:
                    self._call("commit_unless", skipped, *carried)
        except (RunError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if self._may_fail:
                raise
            raise self.program.blame(error) from error

    def _call(self, name: str, *arguments: Any) -> Any:
        """One of the step's functions: all as they are written from then on, where one no longer compiles.

        That is found out before anything is computed: the compiler looks at tensors without data.
        """
        try:
            return self._functions[name](*arguments)
        except Exception as error:
            if not self.compiled or self._may_fail or recording(self.device) or not failed_to_compile(error):
                raise
            self._give_up(error)
        result = self._functions[name](*arguments)
        self._check_choice()
        return result

    def _give_up(self, error: Exception) -> None:
        """Steps as they are written from now on. Not to go on in the handler, which holds what has been computed."""
        self.compiled, self.uncompiled = False, reason_of_failure(error)
        self._functions = self._plain

    def _check_choice(self) -> None:
        if self.train.compile == "on":
            raise RunError(f"the step does not compile: {self.uncompiled}. train.compile: 'off' trains without")

    def _scaled(self, loss: Tensor) -> Tensor:
        scaler = self.precision.scaler
        return loss if scaler is None else scaler.scale(loss)

    def _optimize(self) -> Tensor | None:
        """The optimizer's step. With a gradient scaler: whether it skipped the step, bool, 0-d, on the device."""
        scaler, clip = self.precision.scaler, self.train.clip
        if clip is not None:
            if scaler is not None:
                scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters, clip)
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

    def _join(self, carried: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The carried values of all batches: those with a batch axis joined in order, others the last."""
        if len(carried) == 1:
            return carried[0]
        return tuple(
            joined(parts) if batched else parts[-1]
            for parts, batched in zip(zip(*carried, strict=True), self.program.batched, strict=True)
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of weights, states and optimizer."""
        scaler = self.precision.scaler
        return {
            "model": self.program.forward.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load(self, state: dict[str, Any]) -> None:
        """The reverse of `state`, while no recording is in use. The checkpoint may be of another kind of device."""
        self.program.forward.load_state_dict(state["model"])
        here = [{k: group[k] for k in OF_THE_DEVICE if k in group} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, here, strict=True):
            group.update(own)
        if self.precision.scaler is not None and state["scaler"]:
            self.precision.scaler.load_state_dict(state["scaler"])


def _apart(value: Any) -> Any:
    """Scores and negatives as a plain tuple, with their kind.

    Of an argument that is one, compiled code asks for each field by name before it runs, and that computes what is not
    computed yet.
    """
    return (type(value), *value) if isinstance(value, Scores | Negatives) else value


def _whole(value: Any) -> Any:
    """The reverse of `_apart`."""
    return value[0](*value[1:]) if isinstance(value, tuple) and isinstance(value[0], type) else value


def _updates(program: Program) -> Callable[..., None]:
    """The updates, of values that are taken apart."""

    def commit(*carried: Any) -> None:
        program.commit(*[_whole(value) for value in carried])

    return commit


def _revocable(program: Program) -> Callable[..., None]:
    """The updates, taken back where the step was skipped.

    Only the device knows whether it was, and to ask would be to wait for it at every step. So nodes that can leave
    their states alone by themselves, large stores above all, are told; what the updates of others write is kept
    meanwhile, and put back or not: a copy of a ResNet-50 that follows is 100 MB.
    """
    nodes = [program.node(name) for name in dict.fromkeys(call.node for call in program.graph.update_calls())]
    # Not a class derived from one that can: it may write more.
    told: list[Any] = [node for node in nodes if "skipped" in vars(type(node))]
    states, commit = _written([node for node in nodes if node not in told]), _updates(program)

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


def _written(nodes: Sequence[nn.Module]) -> list[Tensor]:
    """What updates may write of nodes: the buffers, and the parameters that no optimizer changes."""
    tensors = [t for node in nodes for t in (*node.buffers(), *node.parameters()) if not t.requires_grad]
    return list({id(t): t for t in tensors}.values())


def _mean(outputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    outputs = [{**o, "loss": o["loss"].detach()} for o in outputs]
    last = dict(outputs[-1])
    if len(outputs) > 1:
        last["loss"] = torch.stack([o["loss"] for o in outputs]).mean()
        for kind in ("terms", "bounds"):
            last[kind] = {k: torch.stack([o[kind][k] for o in outputs]).mean() for k in last[kind]}
    return last
