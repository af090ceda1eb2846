"""What `graphssl check` prints of a graph that holds."""

from __future__ import annotations

from conftest import BYOL, MOCO, Write
from helpers import CPU
from printed import table

from graphssl.checks.checked import check
from graphssl.cli.describe import describe, memory_text
from graphssl.program.cost import Cost, predict


def test_a_checked_graph_in_full(write: Write) -> None:
    checked = check(write(MOCO))
    text = describe(checked)
    assert text.startswith("moco: valid\n\n")
    nodes, values = table(text, "node "), table(text, "value ")
    assert list(nodes) == ["augment", "encoder", "projector", "target", "queue", "critic", "objective"]
    assert nodes["queue"] == ["negatives.queue", f"{48 * 8 + 1} (state)", "-"]
    assert nodes["critic"][:2] == ["critic.cosine", "-"]
    own = sum(p.numel() for p in checked.shapes.modules["encoder"].parameters())
    assert nodes["encoder"][1] == f"{own:,}"
    assert values["q"][-1] == "b e = 16 8"
    assert values["x"][-1].endswith("= 16 3 32 32")
    trained = own + sum(p.numel() for p in checked.shapes.modules["projector"].parameters())
    assert f"{trained:,} trainable parameters; " in text
    cost = predict(checked.graph, checked.shapes, CPU)
    assert f"about {cost.memory / 2**20:.1f} MiB at batch 16 in fp32 (activations " in text
    assert f"; {cost.flops / 16 / 1e9:.3g} GFLOP per image and step" in text


def test_memory_in_words() -> None:
    gib = 2**30
    cost = Cost(
        batch=1024, weights=gib, gradients=gib // 2, optimizer=2 * gib, states=gib // 20, activations=70 * gib, flops=1
    )
    assert memory_text(cost, "bf16") == (
        "about 73.5 GiB at batch 1,024 in bf16 (activations 70.0, weights and gradients 1.5, optimizer 2.0, states 0.05)"
    )
    small = Cost(batch=2, weights=2**20, gradients=0, optimizer=0, states=0, activations=2**21, flops=1)
    assert memory_text(small, "fp32").startswith("about 3.0 MiB at batch 2 in fp32 (activations 2.0, ")


def test_precision_is_the_one_that_the_graph_names(write: Write) -> None:
    text = describe(check(write(BYOL, ("optimizer:", "precision: bf16, optimizer:"))))
    assert " at batch 16 in bf16 (" in text


def test_an_automatic_batch_says_what_is_assumed(write: Write) -> None:
    text = describe(check(write(BYOL, ("batch: 16", "batch: auto"))))
    assert " at batch 256 in fp32 (" in text
    assert "(batch: auto, for which `graphssl run` takes the most that fits)" in text
    assert "batch: auto" not in describe(check(write(BYOL)))
