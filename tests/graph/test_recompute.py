"""Recomputed activations: the same numbers and the same states from less memory, eager and compiled."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, Write, problems_of
from helpers import CPU, program_of
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from graphssl.checks.checked import check
from graphssl.component import Sizes, build, discover, find
from graphssl.graph.recompute import blocks, recompute_blocks
from graphssl.ports import signature_of

discover()
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("encoder.resnet", {"depth": 18, "width": 8}),
    "bottlenecks": ("encoder.resnet", {"depth": 14, "width": 8}),
    "split": ("encoder.resnet", {"depth": 10, "width": 8, "norm": {"use": "split_batch", "splits": 4}}),
    "maps": ("encoder.resnet", {"depth": 10, "width": 8, "maps": ["layer3"]}),
    "vit": ("encoder.vit", {"patch": 8, "dim": 32, "depth": 2, "heads": 2}),
    "conv": ("encoder.conv", {"width": 8, "hidden": 16, "out": 8}),
    "unpadded": ("encoder.unpadded", {"width": 8, "out": 64, "hidden_norm": True}),
    "mlp": ("head.mlp", {"hidden": 16, "out": 8}),
}


def made(name: str) -> nn.Module:
    component, options = ENCODERS[name]
    torch.manual_seed(0)
    return build(find(component), sizes=Sizes({"c": 3, "h": 32, "w": 32, "d": 12}), **options).train()


def pictures(name: str, count: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (8, 12) if name == "mlp" else (8, 3, 32, 32)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def step(module: Any, inputs: Sequence[Tensor]) -> Tensor:
    """One loss of several calls, as of several views, and its gradient."""
    results = [module(x) for x in inputs]
    outputs = [y for result in results for y in (result if isinstance(result, tuple) else (result,))]
    loss = torch.stack([(y * torch.arange(y.numel()).view_as(y).cos()).mean() for y in outputs]).sum()
    loss.backward()
    return loss.detach()


@pytest.mark.parametrize("name", ENCODERS)
def test_numbers_and_states_are_the_same(name: str) -> None:
    plain, again = made(name), recompute_blocks(made(name))
    assert torch.equal(step(plain, pictures(name)), step(again, pictures(name)))
    for (key, p), (other, q) in zip(plain.named_parameters(), again.named_parameters(), strict=True):
        assert key == other
        assert p.grad is None if q.grad is None else torch.equal(p.grad, q.grad), key
    for key, value in plain.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_running_statistics_move_once_for_each_call() -> None:
    """Ioffe and Szegedy's running mean after two calls, by hand: a third and fourth move would show."""
    block = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3, momentum=0.1), nn.Linear(3, 2)))
    x, y = (torch.randn(8, 3, generator=torch.Generator().manual_seed(i)) + i for i in range(2))
    step(recompute_blocks(block), [x, y])
    norm = block[0][0]
    expected = 0.9 * (0.1 * x.double().mean(0)) + 0.1 * y.double().mean(0)
    torch.testing.assert_close(norm.running_mean.double(), expected, rtol=1e-5, atol=1e-6)
    assert norm.num_batches_tracked == 2


def test_a_state_that_the_forward_pass_moves_is_read_as_it_was() -> None:
    """Spectral normalisation takes a step of the power iteration in each call, and divides by what it finds."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Sequential(spectral_norm(nn.Linear(6, 6)), nn.Tanh()))
    again = recompute_blocks(copy.deepcopy(plain))
    inputs = [torch.randn(4, 6, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    assert torch.equal(step(plain, inputs), step(again, inputs))
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), again.buffers(), strict=True))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(6, 6), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.linear(x)).square()
        return y


def test_dropout_is_drawn_once() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(Noisy(), Noisy())
    again = recompute_blocks(copy.deepcopy(plain))
    x = torch.randn(16, 6)
    torch.manual_seed(1)
    first = step(plain, [x])
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(first, step(again, [x]))
    assert torch.equal(after, torch.rand(1))
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_backward_pass_computes_in_the_same_precision(dtype: torch.dtype) -> None:
    plain, again = made("conv"), recompute_blocks(made("conv"))
    for module in (plain, again):
        with torch.autocast("cpu", dtype=dtype):
            loss = sum(y.float().square().mean() for y in module(pictures("conv")[0]))
        loss.backward()  # type: ignore[union-attr]
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)  # type: ignore[arg-type]


def test_channels_last_stays() -> None:
    again = recompute_blocks(made("maps")).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    result = again(pictures("maps")[0].contiguous(memory_format=torch.channels_last))
    assert result.layer3.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maps", "split", "vit"])
def test_compiled_it_is_one_graph_with_the_same_numbers(name: str) -> None:
    plain, again = made(name), recompute_blocks(made(name))
    first = step(plain, pictures(name))
    second = step(torch.compile(again, fullgraph=True), pictures(name))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[key], rtol=1e-4, atol=1e-6, msg=key)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("resnet", 8 * ["BasicBlock"]), ("bottlenecks", 4 * ["Bottleneck"]), ("vit", 2 * ["EncoderBlock"]),
        ("conv", 4 * ["Sequential"]), ("unpadded", 14 * ["Residual"]), ("mlp", ["MLP"]),
    ],
)  # fmt: skip
def test_what_is_recomputed_at_a_time(name: str, kinds: list[str]) -> None:
    module = made(name)
    assert [type(m).__name__ for m in blocks(module)] == kinds
    assert [type(m).__name__ for m in blocks(recompute_blocks(module))] == kinds


def kept(module: nn.Module, x: Tensor) -> int:
    """Bytes that the forward pass keeps for the backward pass, each storage once, without weights."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        module(x)
    for tensor in (*module.parameters(), *module.buffers()):
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(storages.values())


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_less_is_kept(name: str) -> None:
    x = pictures(name)[0]
    assert kept(recompute_blocks(made(name)), x) < kept(made(name), x) / 3


def test_nothing_is_done_where_no_gradient_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = recompute_blocks(made("conv"))
    monkeypatch.setattr("graphssl.graph.recompute.checkpoint", lambda *_, **__: pytest.fail("recomputes"))
    with torch.no_grad():
        module(pictures("conv")[0])


def test_ports_and_class_stay() -> None:
    plain, again = made("mlp"), recompute_blocks(made("mlp"))
    assert isinstance(again, type(plain))
    assert signature_of(type(again).forward) == signature_of(type(plain).forward)


# -- in a graph ----------------------------------------------------------------------------------------------


def losses(write: Write, text: str, *changes: tuple[str, str]) -> tuple[list[float], dict[str, Tensor]]:
    """A step's loss and terms, and the state after it, target included."""
    program = program_of(check(write(text, *changes)))
    program.forward.train()
    image = torch.arange(16 * 3 * 32 * 32).view(16, 3, 32, 32).mul(7919).remainder(256).to(torch.uint8)
    output = program.forward(image, *program.draw(16, torch.Generator().manual_seed(0), CPU))
    output["loss"].backward()
    with torch.no_grad():
        for parameter in program.forward.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
        program.commit(*output["carried"])
    return [float(output["loss"].detach())], program.forward.state_dict()


@pytest.mark.parametrize("text", [BYOL, MOCO], ids=["byol", "moco"])
def test_a_graph_gives_the_same_step(write: Write, text: str) -> None:
    everywhere = (("width: 8", "width: 8, recompute: true"), ("out: 8", "out: 8, recompute: true"))
    first, plain = losses(write, text)
    second, again = losses(write, text, *everywhere)
    assert first == second
    assert list(plain) == list(again)
    assert all(torch.equal(plain[key], again[key]) for key in plain)


def test_the_run_keeps_the_word_and_others_their_hash(write: Write) -> None:
    plain, again, off = (
        check(write(BYOL, ("width: 8", f"width: 8{word}"))).graph
        for word in ("", ", recompute: true", ", recompute: false")
    )
    assert again.resolved()["nodes"]["encoder"]["recompute"] is True
    assert all("recompute" not in node for node in plain.resolved()["nodes"].values())
    assert plain.hash() == off.hash() != again.hash()


@pytest.mark.parametrize("name", ["critic", "target", "augment"])
def test_a_node_without_weights_is_told(write: Write, name: str) -> None:
    line = next(line for line in BYOL.split("\n") if line.startswith(f"  {name}:"))
    (warning,) = (p for p in check(write(BYOL, (line, f"{line[:-1]}, recompute: true}}"))).warnings if p.code == "G408")
    assert warning.message == f"'{name}' has no weights to train: recompute has no effect on it"
    assert warning.hint == "nodes with weights are encoder, projector, predictor"
    assert warning.span is not None
    assert BYOL.split("\n")[warning.span.line - 1] == line


def test_a_node_with_weights_is_sound(write: Write) -> None:
    assert not [p for p in check(write(BYOL, ("width: 8", "width: 8, recompute: true"))).warnings if p.code == "G408"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("recompute: yes", "'recompute' is 'yes'; it should be true or false"),
        ("recompute: 1", "'recompute' is 1; it should be true or false"),
        ("recompote: true", "no key is called 'recompote' here"),
    ],
)
def test_a_wrong_word_is_refused(write: Write, word: str, message: str) -> None:
    (found,) = problems_of(check, write(BYOL, ("width: 8", f"width: 8, {word}")))
    assert f"encoder.resnet: {message}" in found
    assert "recompote" not in word or "did you mean 'recompute'?" in found
