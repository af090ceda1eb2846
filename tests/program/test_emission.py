"""What the lines of a program compute: wiring, stop-gradients, folds, draws."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Annotated

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU, arguments, lines, program
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from graphssl.component import REGISTRY, NodeConfig, Sizes, component
from graphssl.program.program import Program

Change = tuple[str, str]
SIMSIAM: tuple[Change, ...] = (
    ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", ""),
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
)
MULTI_CROP: tuple[Change, ...] = (
    ("augment.byol, flip: 0, blur: 0, solarize: 0", "augment.multicrop, wide: 2, small: 3"),
    ("x: augment(batch.image)", "wide, small: augment(batch.image)\n  all: views(wide, small)"),
    ("encoder(x)", "encoder(all)"),
    ("target(x)", "target(wide)"),
)


class Noise(nn.Module):
    """Adds what it drew."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        return torch.randn(b, 1, generator=generator, device=device)

    def forward(self, x: Annotated[Tensor, "b d"], draws: Tensor) -> Annotated[Tensor, "b d"]:
        return x + draws


@pytest.fixture
def noise() -> Iterator[None]:
    """A component `head.noise`, for one test."""
    component("head.noise")(Noise)
    yield
    del REGISTRY["head.noise"]


def regression(a: Tensor, b: Tensor) -> Tensor:
    """2 - 2 cos (BYOL, equation 2)."""
    return (2 - 2 * (F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(1)).mean()


# -- code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changes", "updates"),
    [(SIMCLR, (), False), (MOCO, (), True), (BYOL, SIMSIAM, False), (BYOL, MULTI_CROP, True)],
    ids=["simclr", "moco", "simsiam", "multicrop"],
)
def test_the_code_is_python_with_one_call_a_line(
    write: Write, text: str, changes: tuple[Change, ...], updates: bool
) -> None:
    p = program(write, text, *changes)
    tree = ast.parse(p.code())
    assert [f.name for f in tree.body if isinstance(f, ast.FunctionDef)] == ["forward", "update"][: 1 + updates]
    called: dict[str, int] = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Call) and ast.unparse(statement.func).startswith("self."):
            name = ast.unparse(statement.func).removeprefix("self.")
            called[name] = called.get(name, 0) + 1
    expected: dict[str, int] = {}
    for call in p.graph.step_calls():
        if call.node != "stopgrad":
            expected[call.node] = expected.get(call.node, 0) + 1
    assert called == expected
    assert not any(";" in line or "#" in line or line.endswith(" ") for line in p.code().splitlines())


def test_each_view_has_a_line_and_pairs_cross(write: Write) -> None:
    found = lines(program(write, BYOL))
    assert found[0] == "def forward(self, image, draws_0_augment):"
    for line in ("x_0 = augment[0]", "x_1 = augment[1]", "z_1 = self.target(x_1)", "p_0 = self.predictor(projector_0)"):
        assert line in found
    pairs = [line for line in found if "self.critic(" in line]
    assert pairs == ["s_01 = self.critic(p_0, z_1)", "s_10 = self.critic(p_1, z_0)"]


def test_a_fold_is_joined_once_and_parted_after(write: Write) -> None:
    found = lines(program(write, SIMCLR, ("z: projector(", "also: encoder(x, views=fold)\n  z: projector(")))
    assert sum("torch.cat" in line for line in found) == 1
    assert "encoder_0 = chunk[0]" in found or "also_0 = chunk[0]" in found
    assert sum("self.encoder(" in line for line in found) == 1, "the same call twice is one call"


def test_a_stop_gradient_is_a_detach(write: Write) -> None:
    assert {"z_0 = projector_0.detach()", "z_1 = projector_1.detach()"} <= set(lines(program(write, BYOL, *SIMSIAM)))


def test_a_family_goes_whole_where_a_port_takes_it(write: Write) -> None:
    assert "others = self.others((z_0, z_1))" in lines(program(write, SIMCLR))


def test_the_order_of_lines_does_not_matter(write: Write) -> None:
    body = "  x: augment(batch.image)\n  p: predictor(projector(encoder(x)))\n  z: target(x)\n  s: critic(p, z, pairs=cross)\n"
    flow = body.splitlines(keepends=True)
    one = program(write, BYOL)
    two = program(write, BYOL, (body, "".join(reversed(flow))))
    a, b = (p.forward(*arguments(p))["loss"] for p in (one, two))
    assert torch.equal(a, b)


# -- numbers -----------------------------------------------------------------------------------------------------


def test_simsiam_by_hand_with_its_gradient(write: Write) -> None:
    p, q = program(write, BYOL, *SIMSIAM), program(write, BYOL, *SIMSIAM)
    given = arguments(p)
    loss = p.forward(*given)["loss"]
    loss.backward()
    m = q.forward
    z = [m.projector(m.encoder(v)) for v in m.augment(given[0], draws=given[1])]
    online = [m.predictor(v) for v in z]
    expected = (regression(online[0], z[1].detach()) + regression(online[1], z[0].detach())) / 2
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    for (name, a), b in zip(p.forward.named_parameters(), m.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_without_the_stop_gradient_the_gradient_is_another(write: Write) -> None:
    free = (SIMSIAM[0], ("z: target(x)", "z: projector(encoder(x))"), SIMSIAM[2])
    grads = []
    for changes in (SIMSIAM, free):
        p = program(write, BYOL, *changes)
        p.forward(*arguments(p))["loss"].backward()
        grads.append(p.node("encoder").conv1.weight.grad.clone())
    assert not torch.allclose(grads[0], grads[1], rtol=1e-2)


def test_folded_views_come_back_in_their_order(write: Write) -> None:
    p = program(write, SIMCLR)
    given = arguments(p)
    p.forward.eval()
    z = p.forward(*given)["watch"]["s"]
    m = p.forward
    x = m.augment(given[0], draws=given[1])
    for view, found in zip(x, z, strict=True):  # in eval mode batch norm does not mix the views
        torch.testing.assert_close(found, m.projector(m.encoder(view)).detach(), rtol=1e-4, atol=1e-5)


def test_a_part_of_batch_norm_has_all_views_of_its_samples(write: Write) -> None:
    """As on two devices, each with its half of the samples."""
    split = ("depth: 10, width: 8", "depth: 10, width: 8, norm: {use: split_batch, splits: 2}")
    p = program(write, SIMCLR, split)
    given, m = arguments(p), p.forward
    whole = program(write, SIMCLR).forward
    whole.load_state_dict(m.state_dict())
    plain = whole.encoder  # batch norm over what it gets
    z = m(*given)["watch"]["s"]
    x = m.augment(given[0], draws=given[1])
    half = len(given[0]) // 2
    parts = [plain(torch.cat([view[own] for view in x])).chunk(2) for own in (slice(half), slice(half, None))]
    for view, found in enumerate(z):
        expected = whole.projector(torch.cat([part[view] for part in parts]))
        torch.testing.assert_close(found, expected.detach(), rtol=1e-3, atol=1e-4)


def test_multi_crop_pairs_every_view_with_every_other_wide_one(write: Write) -> None:
    p = program(write, BYOL, *MULTI_CROP)
    given = arguments(p)
    found = p.forward(*given)["loss"]
    m = program(write, BYOL, *MULTI_CROP).forward
    wide, small = m.augment(given[0], draws=given[1])
    assert (len(wide), len(small)) == (2, 3)
    online = [m.predictor(m.projector(m.encoder(v))) for v in (*wide, *small)]
    target = [m.target(v) for v in wide]
    terms = [regression(p, z) for i, p in enumerate(online) for j, z in enumerate(target) if i != j]
    assert len(terms) == 8
    torch.testing.assert_close(found, torch.stack(terms).mean(), rtol=1e-5, atol=1e-6)


# -- draws -------------------------------------------------------------------------------------------------------


def noisy(write: Write, line: str) -> Program:
    node = "  noise:     {use: head.noise}\n"
    return program(write, SIMCLR, ("  others:", node + "  others:"), ("z: projector(encoder(x, views=fold))", line))


@pytest.mark.usefixtures("noise")
def test_a_random_node_draws_for_each_of_its_calls(write: Write) -> None:
    p = noisy(write, "z: noise(projector(encoder(x, views=fold)))")
    _, *noise = p.draw(16, torch.Generator().manual_seed(0), CPU)
    assert [tuple(n.shape) for n in noise] == [(16, 1), (16, 1)]
    assert not torch.equal(noise[0], noise[1])


@pytest.mark.usefixtures("noise")
def test_a_folded_random_call_draws_for_the_joined_batch(write: Write) -> None:
    p = noisy(write, "z: noise(projector(encoder(x, views=fold)), views=fold)")
    _, noise = p.draw(16, torch.Generator().manual_seed(0), CPU)
    assert noise.shape == (32, 1)
    assert p.forward(*arguments(p))["loss"].isfinite()


def test_the_same_random_call_twice_is_two_calls(write: Write) -> None:
    changes = (
        "  x: augment(batch.image)",
        "  y: augment(batch.image)\n  w: augment(batch.image)\n  x: views(y[0], w[0])",
    )
    p = program(write, SIMCLR, changes)
    given = arguments(p)
    assert len(given) == 3
    one, two = (p.node("augment")(given[0], draws=d)[0] for d in given[1:])
    assert (one != two).flatten(1).any(1).all()


def test_what_nothing_needs_draws_nothing(write: Write) -> None:
    p = program(write, SIMCLR, ("  s: critic", "  idle: augment(batch.image)\n  s: critic"))
    assert len(p.draw(4, None, CPU)) == 1


def test_draws_depend_on_the_generator_alone(write: Write) -> None:
    p = program(write, BYOL)

    def flat(seed: int) -> list[Tensor]:
        leaves = tree_leaves(p.draw(16, torch.Generator().manual_seed(seed), CPU))
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    one = flat(3)
    assert len(one) > 3
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert all(map(torch.equal, one, flat(3)))
    assert torch.equal(state, torch.get_rng_state()), "the global generator is left alone"
    assert not all(map(torch.equal, one, flat(4)))
