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


def test_what_nothing_needs_is_not_computed(write: Write) -> None:
    code = program(write, MOCO, ("  s: critic", "  w: projector(encoder(x[1]))\n  s: critic")).code()
    assert not re.search(r"\bw = ", code)


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


def test_compile_is_public(write: Write) -> None:
    p = graphssl.compile(write(SIMCLR))
    assert torch.isfinite(p.forward(*arguments(p))["loss"])


def test_setting_a_schedule_changes_the_next_step(write: Write) -> None:
    p = program(write, BYOL, ("{from: 0.9, to: 1.0}", "{from: 0.5, to: 1.0, shape: linear, over: 2}"))
    for step, momentum in ((0, 0.5), (3, 0.75), (6, 1.0), (100, 1.0)):
        p.set_schedules(step, 1000, 3)
        before, online = (p.node(n).conv1.weight for n in ("target.encoder", "encoder"))
        online.data += 0.01
        expected = momentum * before + (1 - momentum) * online
        p.commit()
        torch.testing.assert_close(p.node("target.encoder").conv1.weight, expected.detach())


def test_an_unknown_node_is_an_error(write: Write) -> None:
    with pytest.raises(AttributeError):
        program(write, SIMCLR).node("encode")


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
