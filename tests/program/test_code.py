"""What the compiled program computes, line by line: wiring, stop-gradients, folds, weights of terms, draws, devices."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU, arguments
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from graphssl.api import load
from graphssl.checks.inference import infer
from graphssl.checks.shapes import Shapes
from graphssl.component import REGISTRY, DataFacts, NodeConfig, Sizes, component
from graphssl.graph.graph import Graph
from graphssl.program.assemble import build_nodes, compile_graph, seed_of
from graphssl.program.program import Program

Change = tuple[str, str]
SIMSIAM: tuple[Change, ...] = (
    ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", ""),
    ("z: target(x)", "z: stopgrad(projector(encoder(x)))"),
    ("update:\n  target: follow()\n", ""),
)
BANK: tuple[Change, ...] = (
    ("queue:     {use: negatives.queue, size: 48}", "bank:      {use: negatives.memory_bank, sample: 64}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)
MULTI_CROP: tuple[Change, ...] = (
    ("augment.byol, flip: 0, blur: 0, solarize: 0", "augment.multicrop, wide: 2, small: 3"),
    ("x: augment(batch.image)", "wide, small: augment(batch.image)\n  all: views(wide, small)"),
    ("encoder(x)", "encoder(all)"),
    ("target(x)", "target(wide)"),
)
KNOWN: dict[tuple[str, tuple[Change, ...]], tuple[Graph, Shapes]] = {}


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


def read(write: Write, text: str, *changes: Change) -> tuple[Graph, Shapes]:
    """A graph without the rules: what a program is does not depend on whether it is wise."""
    if (text, changes) not in KNOWN:
        graph = load(write(text, *changes))
        KNOWN[text, changes] = graph, infer(graph, DataFacts(samples=1500, classes=10), graph.spec.data.batch)
    return KNOWN[text, changes]


def program(write: Write, text: str, *changes: Change, device: torch.device = CPU, seed: int = 0) -> Program:
    return compile_graph(*read(write, text, *changes), device, seed)


def lines(p: Program) -> list[str]:
    return [line.strip() for line in p.code().splitlines()]


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


def test_updates_take_what_was_carried(write: Write) -> None:
    p = program(write, MOCO, *BANK)
    assert "def update(self, index, k):" in lines(p)
    assert "store = bank.store(index, k)" in lines(p)
    assert set(p.inputs) == {"image", "index"}
    assert p.batched == (True, True)


def test_a_value_that_two_updates_take_is_carried_once(write: Write) -> None:
    p = program(
        write, MOCO, ("  critic:", "  second:    {use: negatives.queue, size: 32}\n  critic:"),
        ("  s: critic", "  s2: critic(q, k, second())\n  s: critic"), ("objective(s)", "objective(s)\n  two: objective(s2)"),
        ("queue: push(k)", "queue: push(k)\n  second: push(k)"),
    )  # fmt: skip
    out = p.forward(*arguments(p))
    assert len(out["carried"]) == 1
    p.commit(*out["carried"])
    assert torch.equal(p.node("queue").keys[:16], p.node("second").keys[:16])


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


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("a: objective(s)", lambda a, w: a),
        ("a: 3 * objective(s)", lambda a, w: 3 * a),
        ("a: -objective(s)", lambda a, w: -a),
        ("a: {value: 2 * objective(s), weight: 0.25}", lambda a, w: 0.5 * a),
        ("a: {value: objective(s), weight: {from: 0, to: 4, shape: linear}}", lambda a, w: w * a),
        ("a: {value: -2 * objective(s), weight: {from: 0, to: 4, shape: linear}}", lambda a, w: -2 * w * a),
        ("a: objective(s)\n  b: -0.5 * objective(s)\n  c: 2 * objective(s)", lambda a, w: 2.5 * a),
    ],
)
def test_terms_are_weighted_and_summed(write: Write, loss: str, expected: Any) -> None:
    p = program(write, SIMCLR, ("ntxent: objective(s)", loss))
    for step in (0, 5, 10):
        p.set_schedules(step, 10, 5)
        out = p.forward(*arguments(p))
        torch.testing.assert_close(out["loss"].detach(), expected(out["terms"]["a"], 4 * step / 10))
        assert all(t.ndim == 0 for t in (out["loss"], *out["terms"].values()))


def test_a_term_is_the_mean_over_its_family_and_of_one_view_that_view(write: Write) -> None:
    p = program(
        write, SIMCLR, ("ntxent: objective(s)", "all: objective(s)\n  first: objective(s[0])\n  last: objective(s[1])")
    )
    terms = p.forward(*arguments(p))["terms"]
    torch.testing.assert_close(terms["all"], (terms["first"] + terms["last"]) / 2)
    assert not torch.equal(terms["first"], terms["last"])


def test_what_is_watched_is_the_critic_s_first_pair(write: Write) -> None:
    p = program(write, BYOL)
    given = arguments(p)
    watch = p.forward(*given)["watch"]
    m = program(write, BYOL).forward
    x = m.augment(given[0], draws=given[1])
    assert list(watch) == ["s"]
    torch.testing.assert_close(watch["s"][0], m.predictor(m.projector(m.encoder(x[0]))).detach())
    torch.testing.assert_close(watch["s"][1], m.target(x[1]))


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


# -- nodes -------------------------------------------------------------------------------------------------------


def test_weights_depend_on_seed_and_name_alone(write: Write) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = program(write, BYOL).forward.state_dict()
    assert torch.equal(state, torch.get_rng_state()), "the global generator is left alone"
    torch.manual_seed(2)
    two = program(write, BYOL).forward.state_dict()
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    renamed = program(write, BYOL, ("predictor", "guesser")).forward.state_dict()
    assert torch.equal(one["encoder.conv1.weight"], renamed["encoder.conv1.weight"])
    weight = next(k for k, v in one.items() if k.startswith("predictor.") and v.ndim == 2)
    assert not torch.equal(one[weight], renamed[weight.replace("predictor", "guesser")])


def test_equal_heads_of_other_names_have_other_weights(write: Write) -> None:
    p = program(write, SIMCLR, ("  others:", "  second:    {use: head.mlp, hidden: 16, out: 8}\n  others:"), ("z: projector(", "w: second(encoder(x[0]))\n  z: projector("))  # fmt: skip
    pairs = list(zip(p.node("projector").parameters(), p.node("second").parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in pairs if a.ndim == 2)


def test_a_node_is_built_after_those_that_it_names(write: Write) -> None:
    """Though it stands before them in the file, whose order the children keep."""
    target = "  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n"
    nodes = build_nodes(*read(write, BYOL, (target, ""), ("nodes:\n", "nodes:\n" + target)), 0)
    assert next(iter(nodes)) == "target"
    weights = nodes["encoder"].state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in nodes["target"].encoder.state_dict().items())


def test_nodes_that_nothing_calls_are_kept(write: Write) -> None:
    p = program(write, SIMCLR, ("  critic:", "  spare:     {use: head.mlp, hidden: 8, out: 4}\n  critic:"), ("z: projector(", "w: spare(encoder(x[0]))\n  z: projector("))  # fmt: skip
    assert isinstance(p.node("spare"), nn.Module)
    assert any(key.startswith("spare.") for key in p.forward.state_dict())


def test_schedules_are_no_state(write: Write) -> None:
    p = program(write, BYOL, ("byol: objective(s)", "byol: {value: objective(s), weight: {from: 0, to: 1}}"))
    assert len(p.schedules) == 2
    assert not any("momentum" in key or "weight_byol" in key for key in p.forward.state_dict())


def test_setting_a_schedule_changes_the_next_step(write: Write) -> None:
    p = program(write, BYOL, ("{from: 0.9, to: 1.0}", "{from: 0.5, to: 1.0, shape: linear, over: 2}"))
    for step, momentum in ((0, 0.5), (3, 0.75), (6, 1.0), (100, 1.0)):
        p.set_schedules(step, 1000, 3)
        before, online = (p.node(n).conv1.weight for n in ("target.encoder", "encoder"))
        online.data += 0.01
        expected = momentum * before + (1 - momentum) * online
        p.commit()
        torch.testing.assert_close(p.node("target.encoder").conv1.weight, expected.detach())


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO])
def test_everything_is_on_the_device(write: Write, text: str) -> None:
    changes = [("loss:\n", "loss:\n  more: {value: objective(s), weight: {from: 0, to: 1}}\n")]
    p = program(write, text, *changes, device=torch.device("meta"))
    tensors = [*p.forward.parameters(), *p.forward.buffers(), *(t for t, _ in p.schedules)]
    assert tensors
    assert all(t.is_meta for t in tensors)
    given = [t.to("meta") for t in arguments(p)[:1]]
    out = p.forward(*given, *p.draw(16, None, torch.device("meta")))
    assert out["loss"].is_meta


def test_both_parts_share_the_nodes(write: Write) -> None:
    p = program(write, MOCO)
    assert p.commit.get_submodule("queue") is p.node("queue")
    assert p.commit.get_submodule("target") is p.node("target")


def test_an_unknown_node_is_an_error(write: Write) -> None:
    with pytest.raises(AttributeError):
        program(write, SIMCLR).node("encode")


# -- errors ------------------------------------------------------------------------------------------------------


def test_an_error_that_does_not_come_again_stays_itself(write: Write) -> None:
    p = program(write, SIMCLR)
    error = RuntimeError("out of luck")
    assert p.locate(arguments(p), error) is error


def test_a_batch_that_does_not_fit_is_located(write: Write) -> None:
    p = program(write, MOCO)
    image, *draws = arguments(p)
    found = str(p.locate((image[:, :1], *draws), RuntimeError("x")))
    assert "graph.yaml:12:6: 'augment' failed: " in found
    assert "While executing" not in found


def test_locating_trains_nothing(write: Write) -> None:
    p = program(write, BYOL)
    p.locate(arguments(p), RuntimeError("x"))
    assert all(t.grad is None for t in p.forward.parameters())


@pytest.mark.parametrize("parts", [(), ("a",), (0, "a"), ("0:a",), (0, "a", 1), ("é",)])
def test_seeds_are_what_they_were(parts: tuple[object, ...]) -> None:
    """Runs are reproducible across versions and machines: SHA-256, not Python's hash."""
    digest = hashlib.sha256(":".join(str(p) for p in parts).encode()).digest()
    assert seed_of(*parts) == int.from_bytes(digest[:8], "big") % 2**63
