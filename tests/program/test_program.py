"""The program: readable code, state keys, the same numbers as by hand, and torch.compile without a break."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import arguments, program_of
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.nn import functional as F

import graphssl
from graphssl.api import check
from graphssl.errors import RunError
from graphssl.program.assemble import seed_of
from graphssl.program.program import Program


def program(write: Write, text: str, *changes: tuple[str, str], seed: int = 0) -> Program:
    return program_of(check(write(text, *changes)), seed=seed)


def test_code_reads_like_the_graph(write: Write) -> None:
    code = program(write, MOCO).code()
    lines = [line.strip() for line in code.splitlines()]
    assert "k = self.target(x_1)" in lines
    assert "q = self.projector(encoder)" in lines
    assert "s = self.critic(q, k, queue)" in lines
    assert any(line.startswith("def update(") for line in lines)
    assert "None" not in code.replace("-> None", "").replace("return None", "")


def test_state_keys_are_the_yaml_names(write: Write) -> None:
    keys = set(program(write, MOCO).forward.state_dict())
    assert {"encoder.conv1.weight", "target.encoder.conv1.weight", "queue.keys", "queue.head"} <= keys
    assert {k.split(".")[0] for k in keys} == {"encoder", "projector", "target", "queue"}


def test_byol_by_hand(write: Write) -> None:
    p = program(write, BYOL)
    image, draws = arguments(p)
    loss = p.forward(image, draws)["loss"]
    p2 = program(write, BYOL)
    m = p2.forward
    x = m.augment(image, draws=draws)
    online = [m.predictor(m.projector(m.encoder(v))) for v in x]
    target = [m.target(v) for v in x]

    def term(a: Tensor, b: Tensor) -> Tensor:
        return (2 - 2 * (F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(1)).mean()

    expected = (term(online[0], target[1]) + term(online[1], target[0])) / 2
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def test_simclr_folds_both_views_into_one_batch_norm(write: Write) -> None:
    p = program(write, SIMCLR)
    image, draws = arguments(p)
    p.forward(image, draws)
    together = int(p.node("encoder").bn1.num_batches_tracked)
    p = program(write, SIMCLR, ("views=fold", "views=each"))
    p.forward(image, draws)
    apart = int(p.node("encoder").bn1.num_batches_tracked)
    assert (together, apart) == (1, 2)


def test_updates_see_the_state_as_it_was_and_write_it_after(write: Write) -> None:
    p = program(write, MOCO)
    before = p.node("queue").keys.clone()
    out = p.forward(*arguments(p))
    torch.testing.assert_close(p.node("queue").keys, before)
    p.commit(*out["carried"])
    assert int(p.node("queue").head) == 16
    torch.testing.assert_close(F.normalize(out["carried"][0], dim=1), F.normalize(p.node("queue").keys[:16], dim=1))
    torch.testing.assert_close(p.node("queue").keys[16:], before[16:])


def test_carried_values_hold_no_graph(write: Write) -> None:
    out = (p := program(write, MOCO)).forward(*arguments(p))
    assert out["loss"].requires_grad
    assert not any(t.requires_grad for t in out["carried"])
    assert not any(t.requires_grad for t in out["terms"].values())
    assert not any(t.requires_grad for pair in out["watch"].values() for t in pair)


def test_targets_start_as_copies(write: Write) -> None:
    p = program(write, BYOL)
    for (key, online), target in zip(
        p.node("encoder").state_dict().items(), p.node("target").encoder.state_dict().values(), strict=True
    ):
        assert torch.equal(online, target), key


def test_adding_a_node_leaves_the_weights_of_others(write: Write) -> None:
    one = program(write, SIMCLR)
    changes = (
        ("  others:", "  aside:     {use: head.mlp, hidden: 8, out: 4}\n  others:"),
        ("  s: critic", "  w: aside(z)\n  s: critic"),
        ("graph: simclr", "allow: [G102, G103]\ngraph: simclr"),
    )
    two = program(write, SIMCLR, *changes)
    for key, value in one.forward.state_dict().items():
        assert torch.equal(value, two.forward.state_dict()[key]), key
    assert not torch.equal(
        one.node("encoder").conv1.weight, program(write, SIMCLR, seed=1).node("encoder").conv1.weight
    )


def test_what_nothing_needs_is_not_computed(write: Write) -> None:
    code = program(write, MOCO, ("  s: critic", "  w: projector(encoder(x[1]))\n  s: critic")).code()
    assert not re.search(r"\bw = ", code)


def test_term_weights_and_their_sum(write: Write) -> None:
    p = program(write, SIMCLR, ("ntxent: objective(s)", "a: 2 * objective(s)\n  b: {value: objective(s), weight: {from: 0.5, to: 1.5, shape: linear}}"))  # fmt: skip
    p.set_schedules(5, 10, 5)
    out = p.forward(*arguments(p))
    torch.testing.assert_close(out["loss"].detach(), 2 * out["terms"]["a"] + 1.0 * out["terms"]["b"])


def test_scheduled_values_are_written_for_each_step(write: Write) -> None:
    p = program(write, BYOL)
    momentum = p.node("target").momentum
    for step, expected in ((0, 0.9), (5, 0.95), (10, 1.0)):
        p.set_schedules(step, 10, 5)
        assert float(momentum) == pytest.approx(expected)
    assert p.node("target").momentum is momentum


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO])
def test_fullgraph_and_equal_to_eager(write: Write, text: str) -> None:
    torch._dynamo.reset()
    p, q = program(write, text), program(write, text)
    compiled = torch.compile(q.forward, fullgraph=True, backend="aot_eager")
    commit = torch.compile(q.commit, fullgraph=True, backend="aot_eager")
    for step in range(3):
        given = arguments(p, seed=step)
        p.set_schedules(step, 3, 1)
        q.set_schedules(step, 3, 1)
        a, b = p.forward(*given), compiled(*given)
        torch.testing.assert_close(a["loss"], b["loss"])
        a["loss"].backward()
        b["loss"].backward()
        with torch.no_grad():
            p.commit(*a["carried"])
            commit(*b["carried"])
    for (key, x), y in zip(p.forward.state_dict().items(), q.forward.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y, msg=lambda m, key=key: f"{key}: {m}")


def test_schedules_never_recompile(write: Write) -> None:
    torch._dynamo.reset()
    p = program(write, BYOL)
    counter = CompileCounter()
    forward = torch.compile(p.forward, fullgraph=True, backend=counter, dynamic=False)
    commit = torch.compile(p.commit, fullgraph=True, backend=counter, dynamic=False)
    for step in range(4):
        p.set_schedules(step, 4, 2)
        out = forward(*arguments(p, seed=step))
        with torch.no_grad():
            commit(*out["carried"])
    assert counter.frame_count == 2


def test_views_of_one_image_differ(write: Write) -> None:
    p = program(write, SIMCLR)
    image, draws = arguments(p)
    one, two = p.node("augment")(image, draws=draws)
    assert (one != two).flatten(1).any(1).all()


def test_a_failing_component_is_located(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from typing import Annotated\n"
        "from torch import Tensor, nn\n"
        "from graphssl.component import NodeConfig, component\n"
        "@component('head.grumpy')\n"
        "class Grumpy(nn.Module):\n"
        "    class Config(NodeConfig):\n        pass\n"
        "    def __init__(self, config, sizes):\n        super().__init__()\n"
        "    def forward(self, x: Annotated[Tensor, 'b d']) -> Annotated[Tensor, 'b d']:\n"
        "        if x.device.type != 'meta':\n            raise OverflowError('too much')\n"
        "        return x\n"
    )
    p = program(
        write, SIMCLR, ("data: {use", "components: [./mine.py]\ndata: {use"), ("  others:", "  grumpy: {use: head.grumpy}\n  others:"),
        ("z: projector(", "z: grumpy(projector("), ("views=fold))", "views=fold)))"),
    )  # fmt: skip
    given = arguments(p)
    with pytest.raises(OverflowError) as caught:
        p.forward(*given)
    found = p.locate(given, caught.value)
    assert isinstance(found, RunError)
    assert "graph.yaml:14:" in str(found)
    assert "'grumpy' failed: OverflowError: too much" in str(found)


def test_seeds_depend_on_every_part() -> None:
    seeds = {seed_of(0, "encoder"), seed_of(1, "encoder"), seed_of(0, "projector"), seed_of(0, "step", 1)}
    assert len(seeds) == 4
    assert all(0 <= s < 2**63 for s in seeds)


def test_compile_is_public(write: Write) -> None:
    p = graphssl.compile(write(SIMCLR))
    assert torch.isfinite(p.forward(*arguments(p))["loss"])
