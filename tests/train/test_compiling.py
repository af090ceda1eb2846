"""When a step is compiled, and what happens where that fails."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import helpers
import pytest
import torch
from conftest import Write
from functorch.compile import make_boxed_func
from helpers import CPU, batch, same, scaled, weights
from torch import Tensor, fx, nn
from torch._dynamo.backends.common import aot_autograd
from torch.utils._pytree import tree_leaves

from graphssl.components.negatives import Queue
from graphssl.errors import RunError
from graphssl.train.compiling import compiles
from graphssl.train.replay import WARM_UP, Recorder
from graphssl.train.step import Step

TINY = """\
graph: tiny
data: {use: digits, batch: 8}
nodes:
  augment:   {use: augment.plain}
  encoder:   {use: encoder.conv, width: 2, layers: 2, hidden: 8, out: 8}
  projector: {use: head.mlp, hidden: 8, out: 4}
  target:    {use: target.ema, of: [projector], momentum: 0.9}
  queue:     {use: negatives.queue, size: 24}
  critic:    {use: critic.cosine, temperature: 0.2}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  h: encoder(x)
  q: projector(h.vector)
  k: target(h.vector)
  s: critic(q, k, queue())
loss:
  infonce: objective(s)
update:
  target: follow()
  queue: push(k)
train: {epochs: 2, optimizer: {use: adamw, lr: 1e-3}}
"""


def make(write: Write, text: str, *changes: tuple[str, str], recorder: Recorder | None = None) -> Step:
    """A step whose projector has a randomness of its own."""
    step = helpers.make(write, text, *changes, recorder=recorder)
    step.program.node("projector").register_forward_hook(lambda _, __, out: out + 0.01 * torch.randn_like(out))
    return step


def test_what_compile_means() -> None:
    cuda = torch.device("cuda")
    assert [compiles(c, CPU) for c in ("auto", "on", "off")] == [False, True, False]
    assert [compiles(c, cuda) for c in ("auto", "on", "off")] == [True, True, False]


def test_unused_code_is_removed_when_what_is_needed_has_been_used(
    write: Write, compiler: Callable[[Backend], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else what is needed and old goes while it is looked for."""
    order = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr("graphssl.train.compile_cache.remove_unused", lambda folder: order.append(folder.name))
    compiler(launching(lambda: order.append("launched") is not None))
    make(write, TINY)(0, [batch(8)])
    assert order == ["launched", "launched", "compiled"], "the forward pass, the updates, and our folder"


def breaking(write: Write, choice: str) -> Step:
    step = make(write, TINY, ("{epochs", f"{{compile: '{choice}', epochs"))
    step.program.node("projector").register_forward_hook(lambda *_: torch._dynamo.graph_break())
    return step


def test_a_step_that_does_not_compile_is_taken_as_it_is(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make(write, TINY)
    monkeypatch.setattr("graphssl.train.compiling.compiles", lambda *_: True)  # as on a GPU
    step = breaking(write, "auto")
    assert step.compiled
    for number in range(2):
        a, b = plain(number, [batch(8)]), step(number, [batch(8)])
        assert torch.equal(a["loss"], b["loss"])
    assert not step.compiled
    assert step.uncompiled is not None
    assert "graph_break" in step.uncompiled
    for (name, x), y in zip(weights(plain).items(), weights(step).values(), strict=True):
        assert torch.equal(x, y), name


def test_a_step_that_is_to_be_compiled_and_does_not_compile_is_told(write: Write) -> None:
    with pytest.raises(RunError, match=r"^the step does not compile: .*graph_break.*\. train\.compile: 'off' trains"):
        breaking(write, "on")(0, [batch(8)])


OFF = ("epochs: 2", "compile: 'off', epochs: 2")
SGD = ("use: adamw", "use: sgd")  # does not make more of a rounding than it is
Backend = Callable[[fx.GraphModule, Sequence[Any]], Callable[..., Any]]
NO_COMPILER = FileNotFoundError(2, "No such file or directory", "gcc")
WHY = f"FileNotFoundError: {NO_COMPILER}"


def launching(fails: Callable[[], bool]) -> Backend:
    """Compiles, and fails at a launch, when all has been computed and written."""

    def backend(graph: fx.GraphModule, _: Sequence[Any]) -> Callable[..., Any]:
        def launch(*arguments: Any) -> Any:
            out = graph(*arguments)
            if fails():
                raise NO_COMPILER
            return out

        return launch

    return backend


def refusing(graph: fx.GraphModule, _: Sequence[Any]) -> Callable[..., Any]:
    """Takes the forward pass, and not the updates, in which no gradient is wanted."""
    if not torch.is_grad_enabled():
        raise NO_COMPILER
    return graph


def backward(compiler: Backend) -> Backend:
    """The compiler of the backward pass, which is called by the first one."""
    taken: Backend = aot_autograd(
        fw_compiler=lambda graph, _: make_boxed_func(graph),
        bw_compiler=lambda graph, inputs: make_boxed_func(compiler(graph, inputs)),
    )
    return taken


def second() -> Callable[[], bool]:
    number = itertools.count(1)
    return lambda: next(number) == 2


BREAKS: dict[str, Callable[[], Backend]] = {
    "forward": lambda: launching(torch.is_grad_enabled),
    "second_batch": lambda: launching(second()),
    "backward_compiled": lambda: backward(lambda *_: (_ for _ in ()).throw(NO_COMPILER)),
    "backward_launched": lambda: backward(launching(lambda: True)),
    "updates_compiled": lambda: refusing,
    "updates_launched": lambda: launching(lambda: not torch.is_grad_enabled()),
}


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Backend], None]]:
    """Sets what compiles, in place of torch's own; `auto` compiles on a CPU, too."""
    compile_with = torch.compile
    monkeypatch.setattr("graphssl.train.compiling.compiles", lambda choice, _: choice != "off")
    torch._dynamo.reset()
    yield lambda backend: monkeypatch.setattr(torch, "compile", functools.partial(compile_with, backend=backend))
    torch._dynamo.reset()


def close(one: Step, other: Step) -> None:
    """Of steps some of which were compiled: the compiler may round otherwise, as that of torch 2.11 does."""
    for a, b in zip(tree_leaves(one.state()), tree_leaves(other.state()), strict=True):
        assert a == b if not isinstance(a, Tensor) else torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("broken", "precision"), zip(BREAKS, itertools.cycle(["fp16", "fp32"]), strict=False))
def test_wherever_compiling_fails_the_run_is_the_eager_one(
    write: Write, compiler: Callable[[Backend], None], broken: str, precision: str
) -> None:
    """The half step has written statistics and states, added gradients up, drawn numbers, perhaps moved the weights."""
    twice = ("{epochs", "{accumulate: 2, clip: 1.0, epochs")
    plain = make(write, TINY, twice, OFF)
    compiler(BREAKS[broken]())
    step = make(write, TINY, twice)
    if precision == "fp16":
        scaled(plain), scaled(step)
    assert step.compiled
    for number in range(3):
        given = [batch(8, 2 * number), batch(8, 2 * number + 1)]
        a, b = plain(number, given), step(number, given)
        assert torch.equal(a["loss"], b["loss"])
        assert (step.compiled, step.uncompiled) == (False, WHY)
    same(plain.state(), step.state())


@pytest.mark.parametrize("broken", ["backward_compiled", "updates_launched"])
def test_compile_on_ends_in_one_message(write: Write, compiler: Callable[[Backend], None], broken: str) -> None:
    compiler(BREAKS[broken]())
    step = make(write, TINY, ("{epochs", "{accumulate: 2, compile: 'on', epochs"))
    message = f"the step does not compile: {WHY}. train.compile: 'off' trains without"
    with pytest.raises(RunError) as caught:
        step(0, [batch(8), batch(8)])
    assert str(caught.value) == message


class Versioned(nn.Module):
    """A node's part whose state was written otherwise once, as the version that is kept beside it says."""

    _version = 2

    def _load_from_state_dict(self, state: Any, prefix: str, facts: dict[str, Any], *more: Any) -> None:
        assert facts["version"] == 2


def test_the_versions_of_states_are_kept_meanwhile(write: Write, compiler: Callable[[Backend], None]) -> None:
    compiler(BREAKS["forward"]())
    step = make(write, TINY)
    step.program.node("projector").add_module("own", Versioned())
    step(0, [batch(8)])
    assert step.uncompiled == WHY


@pytest.mark.slow
def test_a_machine_without_a_compiler_trains(
    write: Write, compiler: Callable[[Backend], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plain = make(write, TINY, OFF)
    step = make(write, TINY)
    with torch._inductor.config.patch({"cpp.cxx": (None, str(tmp_path / "g++"))}):
        for number in range(2):
            assert torch.equal(plain(number, [batch(8)])["loss"], step(number, [batch(8)])["loss"])
    assert not step.compiled
    assert str(step.uncompiled).startswith("InvalidCxxCompiler: No working C++ compiler found")
    same(plain.state(), step.state())


def test_a_torch_that_cannot_compile_trains(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch 2.9 on Python 3.14."""

    def refuses(*_: Any, **__: Any) -> None:
        raise RuntimeError("torch.compile is not supported on this Python.")

    monkeypatch.setattr(torch, "compile", refuses)
    monkeypatch.setattr("graphssl.train.compiling.compiles", lambda *_: True)
    step = make(write, TINY)
    step(0, [batch(8)])
    assert step.uncompiled == "RuntimeError: torch.compile is not supported on this Python"


class Repeats:
    """A recorder that knows what to run, and runs it. The tape's operations are none that a compiler looks into."""

    def __init__(self) -> None:
        self.recorded = 0

    def warm_up(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def record(self, run: Callable[[], dict[str, Any]], generators: Sequence[torch.Generator]) -> dict[str, Any]:
        self.recorded += 1
        self.run, self.outputs = run, dict[str, Any]()
        return self.outputs

    def launch(self) -> None:
        self.outputs.update(self.run())


def test_a_short_batch_that_does_not_compile(write: Write, compiler: Callable[[Backend], None]) -> None:
    """The last of an epoch: the recording that is in use by then is of compiled code, and of states that are replaced."""
    short = False
    plain, recorder = make(write, TINY, SGD, OFF, recorder=Repeats()), Repeats()
    compiler(launching(lambda: short))
    step = make(write, TINY, SGD, recorder=recorder)
    for number, size in enumerate([8] * (WARM_UP + 1) + [6] + [8] * (WARM_UP + 1)):
        short = size == 6
        a, b = plain(number, [batch(size, number)]), step(number, [batch(size, number)])
        assert torch.allclose(a["loss"], b["loss"])
        assert step.compiled == (number <= WARM_UP)
        assert recorder.recorded == (number >= WARM_UP) + (number == 2 * WARM_UP + 2)
    close(plain, step)


@pytest.mark.slow
def test_a_later_step_that_does_not_compile(write: Write, compiler: Callable[[Backend], None]) -> None:
    """A node that counts its calls is compiled for each number, until the compiler has had enough of it."""
    plain = make(write, TINY, SGD, OFF)
    compiler(launching(lambda: False))
    step = make(write, TINY, SGD)

    def counts(module: Any, _: Any, out: Tensor) -> Tensor:
        module.calls = getattr(module, "calls", 0) + 1
        return out * module.calls

    for each in (plain, step):
        each.program.node("projector").calls = 0
        each.program.node("projector").register_forward_hook(counts)
    with torch._dynamo.config.patch(recompile_limit=2):
        for number in range(4):
            assert torch.allclose(plain(number, [batch(8)])["loss"], step(number, [batch(8)])["loss"])
    assert not step.compiled
    assert "limit" in str(step.uncompiled)
    close(plain, step)


def test_a_node_that_fails_is_named_where_the_step_is_compiled(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphssl.train.compiling.compiles", lambda *_: True)
    for choice in ("auto", "on"):
        step = make(write, TINY, ("{epochs", f"{{compile: '{choice}', epochs"))
        step.program.node("projector").register_forward_pre_hook(lambda *_: torch.ones(2) @ torch.ones(3))
        with pytest.raises(RunError, match=r"graph\.yaml:14:\d+: 'projector' failed: RuntimeError: "):
            step(0, [batch(8)])


@pytest.mark.parametrize("choice", ["off", "auto"])
def test_a_node_whose_update_fails_is_named(
    write: Write, compiler: Callable[[Backend], None], monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    def push(self: Any, key: Tensor) -> None:
        raise ValueError("no room")

    compiler(launching(lambda: False))
    step = make(write, TINY, ("{epochs", f"{{compile: '{choice}', epochs"))
    monkeypatch.setattr(Queue, "push", push)
    with pytest.raises(RunError, match=r"graph.yaml:21:10: 'queue' failed: no room\n    queue: push\(k\)"):
        step(0, [batch(8)])
