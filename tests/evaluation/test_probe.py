"""The online probe: against a plain loop in float64, beside a run that it does not change, and when a run goes on."""

from __future__ import annotations

import logging
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BYOL, SIMCLR, Write, problems_of
from PIL import Image
from torch import Tensor, nn

import graphssl
from graphssl.errors import GraphError, RunError
from graphssl.evaluation.online import OnlineProbe, unlike
from graphssl.runs.folder import find_run
from graphssl.train.checkpoint import Checkpoints
from graphssl.train.step import Step

CPU = torch.device("cpu")


def batches(n: int = 12, b: int = 40, hide: bool = True) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 6, generator=generator)
    found = []
    for _ in range(n):
        label = torch.randint(0, 3, (b,), generator=generator)
        x = 4 + 2 * (centres[label] + 0.7 * torch.randn(b, 6, generator=generator))
        label[:5] = torch.where(torch.tensor(hide), -1, label[:5])
        found.append((x, label))
    return found


def test_it_is_sgd_on_features_with_running_statistics() -> None:
    probe = OnlineProbe(0.5, 0.9, 3, CPU)
    layer = nn.Linear(6, 3).double()
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    sgd = torch.optim.SGD(layer.parameters(), 1.0, 0.9)
    mean = variance = None
    right = seen = 0
    for step, (x, y) in enumerate(batches()):
        probe.learn(x, y, step, 12)
        known, wide = y >= 0, x.double()
        now, spread = wide.mean(0), wide.var(0, correction=0)
        mean = now if mean is None else mean + 0.1 * (now - mean)
        variance = spread if variance is None else variance + 0.1 * (spread - variance)
        logits = layer(((wide - now) / (spread + 1e-5).sqrt())[known])
        right += int((logits.argmax(1) == y[known]).sum())
        seen += int(known.sum())
        sgd.param_groups[0]["lr"] = 0.5 * 40 / 256 * 0.5 * (1 + math.cos(math.pi * step / 12))
        sgd.zero_grad()
        nn.functional.cross_entropy(logits, y[known]).backward()
        sgd.step()
    assert float(probe.accuracy()) == pytest.approx(right / seen)
    assert right / seen > 0.5
    assert math.isnan(float(probe.accuracy())), "asked again, there is nothing new"
    assert mean is not None
    assert variance is not None
    plain = batches(1, 30)[0][0]
    wanted = layer((plain.double() - mean) / (variance + 1e-5).sqrt()).detach()
    found = probe.logits(plain)
    assert found is not None
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-4)


def test_maps_are_averaged_over_positions() -> None:
    one, two = OnlineProbe(0.5, 0.9, 3, CPU), OnlineProbe(0.5, 0.9, 3, CPU)
    for step, (x, y) in enumerate(batches()):
        one.learn(x, y, step, 12)
        two.learn(x[:, :, None, None].expand(-1, -1, 2, 3), y, step, 12)
    torch.testing.assert_close(one.logits(x), two.logits(x))


def test_it_goes_on_where_it_was() -> None:
    whole, first = OnlineProbe(0.5, 0.9, 3, CPU), OnlineProbe(0.5, 0.9, 3, CPU)
    every = batches()
    for step, (x, y) in enumerate(every):
        whole.learn(x, y, step, 12)
        if step < 7:
            first.learn(x, y, step, 12)
    second = OnlineProbe(0.5, 0.9, 3, CPU)
    second.load({key: value.clone() for key, value in first.state().items()})
    for step, (x, y) in enumerate(every[7:], 7):
        second.learn(x, y, step, 12)
    assert all(torch.equal(a, second.state()[key]) for key, a in whole.state().items())
    fresh = OnlineProbe(0.5, 0.9, 3, CPU)
    fresh.load({})
    assert fresh.logits(every[0][0]) is None
    assert fresh.state() == {}


def test_batches_without_labels_teach_nothing() -> None:
    probe = OnlineProbe(0.5, 0.9, 3, CPU)
    x, y = batches(1)[0]
    probe.learn(x, torch.full_like(y, -1), 0, 12)
    assert bool((probe.state()["weight"] == 0).all())
    assert math.isnan(float(probe.accuracy()))


RUN = ("batch: 16", "batch: 128"), ("knn: {k: 5, every: 1}", "knn: null")
WITH = ("knn: {k: 5, every: 1}", "knn: null, probe: {lr: 1.0, every: 1}")


def nobody(line: str) -> None:
    pass


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")


def last(name: str) -> Any:
    payload = Checkpoints(find_run(name).checkpoints).latest()
    assert payload is not None
    return payload


def equal(a: Any, b: Any) -> bool:
    mine, theirs = (torch.utils._pytree.tree_leaves(one) for one in (a, b))
    return len(mine) == len(theirs) and all(
        torch.equal(x, y) if isinstance(x, Tensor) else x == y for x, y in zip(mine, theirs, strict=True)
    )


def test_the_run_is_the_one_without_it_and_the_curve_is_there(write: Write) -> None:
    crops = ("flip: 0, blur: 0", "flip: 0, blur: 0, crop: [0.6, 1]")
    batch, sets = ("batch: 16", "batch: 32"), ["train.log_every=20"]
    graphssl.run(write(SIMCLR, batch, RUN[1], crops), name="without", device="cpu", report=nobody)
    result = graphssl.run(write(SIMCLR, batch, WITH, crops), sets, name="with", device="cpu", report=nobody)
    for key in ("model", "optimizer"):
        assert equal(last("without")[key], last("with")[key])
    assert set(result.outcome.scores) == {"probe", "probe/top5"}
    assert set(result.outcome.scores["probe"]) == {1, 2}
    assert result.outcome.scores["probe"][2] > 0.5
    from graphssl.track import find_run as tracked
    from graphssl.track.client import open_client, store_uri

    points = open_client(store_uri()).get_metric_history(tracked("with").run_id, "eval/probe/train")
    assert [point.step for point in points] == [20, 40, 46, 60, 80, 92]
    assert points[0].value < points[-1].value
    again = graphssl.evaluate("with", device="cpu")
    assert again.scores["probe"] == result.outcome.scores["probe"][2]


def test_a_run_that_goes_on_has_the_same_probe(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(SIMCLR, RUN[0], WITH)
    graphssl.run(path, name="whole", device="cpu", report=nobody)
    plain = Step.__call__

    def interrupt(self: Step, step: int, batches: Any) -> Any:
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step, batches)

    with monkeypatch.context() as patched:
        patched.setattr(Step, "__call__", interrupt)
        assert graphssl.run(path, name="parts", device="cpu", report=nobody).interrupted
    graphssl.run(resume="parts", device="cpu", report=nobody)
    for key in ("model", "probe", "scores"):
        assert equal(last("whole")[key], last("parts")[key])


def test_a_run_that_had_none_may_go_on_with_one(write: Write) -> None:
    graphssl.run(write(SIMCLR, *RUN), ["train.epochs=1"], name="one", device="cpu", report=nobody)
    sets = ["train.epochs=2", "evaluate.probe={}"]
    result = graphssl.run(resume="one", sets=sets, device="cpu", report=nobody)
    assert set(result.outcome.scores["probe"]) == {2}


def test_of_a_run_without_one_it_is_told_how_there_is_one(write: Write) -> None:
    graphssl.run(write(SIMCLR, *RUN), ["train.steps=1"], name="one", device="cpu", report=nobody)
    with pytest.raises(
        RunError, match=r"the online probe is trained beside a run, where its graph has `evaluate: \{pro"
    ):
        graphssl.evaluate("one", protocol="probe", device="cpu")


def test_what_a_step_does_not_compute_cannot_be_learnt_from(write: Write) -> None:
    sets = ["evaluate={features: [target.encoder, encoder], probe: {}, knn: null}"]
    (problem,) = problems_of(lambda: graphssl.check(write(BYOL), sets))
    assert "there is nothing for the online probe to learn from: a step computes nothing of 'target.encoder'" in problem
    assert "features: [encoder, target.encoder]" in problem
    graphssl.check(write(BYOL), ["evaluate={features: [encoder, target.encoder], probe: {}, knn: null}"])


def test_two_networks_have_one_probe(write: Write) -> None:
    sets = ["evaluate={features: [encoder, target.encoder], probe: {}, knn: null}", "train.steps=2", "data.batch=128"]
    result = graphssl.run(write(BYOL), sets, name="two", device="cpu", report=nobody)
    assert set(result.outcome.scores) == {"probe", "probe/top5"}


@pytest.mark.parametrize("graph", ["cpc", "cmc", "dim_local", "amdim", "npid", "swav"])
def test_of_every_kind_of_graph(graph: str) -> None:
    """Values, maps, several outputs, multicrop."""
    sets = ["train.steps=2", "data.batch=64", "evaluate.knn=null", "evaluate.probe={}"]
    result = graphssl.run(graph, sets, name="one", device="cpu", report=nobody)
    assert 0 <= result.outcome.scores["probe"][1] <= 1


def test_wrong_options(write: Write) -> None:
    with pytest.raises(GraphError, match="'lr' is 0"):
        graphssl.check(write(SIMCLR), ["evaluate.probe.lr=0"])


def test_a_batch_that_is_not_finite_teaches_nothing() -> None:
    probe = OnlineProbe(0.5, 0.0, 3, CPU)
    every = batches()
    for step, (x, y) in enumerate(every):
        probe.learn(x, y, step, 12)
    before = {key: value.clone() for key, value in probe.state().items()}
    spoilt = every[0][0].clone()
    spoilt[7, 2] = math.inf
    probe.learn(spoilt, every[0][1], 6, 12)
    assert all(torch.equal(probe.state()[key], before[key]) for key in ("weight", "mean", "variance", "right"))


def test_of_other_features_or_classes_it_begins_anew(write: Write) -> None:
    graphssl.run(write(SIMCLR, RUN[0], WITH), ["train.steps=2"], name="one", device="cpu", report=nobody)
    said: list[str] = []
    sets = ["train.steps=3", "evaluate.features=z"]
    result = graphssl.run(resume="one", sets=sets, device="cpu", report=said.append)
    assert "the online probe begins anew: it has learnt from 'encoder', and not from 'z'" in said
    assert result.outcome.step == 3
    assert last("one")["probe"]["mean"].shape == (8,)
    state = {"weight": torch.zeros(1, 3, 7), "of": "encoder", "names": ["a", "b", "c"]}
    assert unlike(state, "encoder", ["a", "b", "c"]) is None
    assert unlike(state, None, ["a", "b", "d"]) == "it has learnt other classes than these data have"
    assert unlike(state, None, ["a", "b"]) == "it has learnt 3 classes, and these data have 2"
    assert unlike({}, "encoder", []) is None


def test_what_it_has_not_learnt_it_is_not_asked_for(write: Write, tmp_path: Path) -> None:
    graph = write(SIMCLR, RUN[0], ("knn: {k: 5, every: 1}", "knn: {k: 5}, probe: {lr: 1.0}"))
    graphssl.run(graph, ["train.steps=2"], name="one", device="cpu", report=nobody)
    for sets, why in (
        ({"lr": 0.5}, "it was not trained with lr 0.5"),
        (["evaluate.features=z"], "it has learnt from 'encoder', and not from 'z'"),
    ):
        with pytest.raises(RunError, match=f"'one' cannot be evaluated by probe: {why}"):
            graphssl.evaluate("one", protocol="probe", sets=sets, device="cpu")
    found = graphssl.evaluate("one", sets=["evaluate.features=z"], device="cpu")
    assert found.notes == ("probe is left out: it has learnt from 'encoder', and not from 'z'",)
    assert set(found.scores) == {"knn of z", "knn of z/top5"}
    for name in ("cat", "dog"):
        for part in ("train", "test"):
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for i in range(6):
                Image.new("L", (8, 8), 20 * i).save(tmp_path / "pets" / part / name / f"{part}{i}.png")
    found = graphssl.evaluate("one", data=tmp_path / "pets", device="cpu")
    assert "probe is left out: it has learnt 10 classes, and these data have 2" in found.notes
    assert set(found.scores) == {"knn"}
    with pytest.raises(RunError, match="it has learnt 10 classes"):
        graphssl.evaluate("one", protocol="probe", data=tmp_path / "pets", device="cpu")
    assert not list((find_run("one").path / "evaluations").glob("probe-*"))


def test_another_network_is_judged_beside_a_probe(write: Write) -> None:
    """That a step computes nothing of it stops no evaluation that comes after the training."""
    sets = ["train.steps=2", "data.batch=128", "evaluate.probe={}"]
    graphssl.run(write(BYOL), sets, name="one", device="cpu", report=nobody)
    found = graphssl.evaluate("one", protocol="knn", sets=["evaluate.features=target.encoder"], device="cpu")
    assert "knn of target.encoder" in found.scores
    assert found.notes == ()


def test_one_that_has_diverged_has_no_figure(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["train.steps=3", "evaluate.probe.lr=1e38"]
    result = graphssl.run(write(SIMCLR, RUN[0], WITH), sets, name="one", device="cpu", report=nobody)
    assert "probe" not in result.outcome.scores
    assert "the online probe has diverged" in capsys.readouterr().out


def test_of_features_of_another_size_it_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """As from a checkpoint that does not say what it has learnt from."""
    torch.manual_seed(0)
    label = torch.arange(8) % 2
    old, new = (OnlineProbe(0.1, 0.9, 2, torch.device("cpu")) for _ in range(2))
    old.learn(torch.randn(8, 4), label, 0, 10)
    new.load(old.state())
    with pytest.raises(RunError, match="has learnt from 4 features, and here are 6"):
        new.logits(torch.randn(3, 6))
    wide = torch.randn(8, 6)
    with caplog.at_level(logging.WARNING):
        new.learn(wide, label, 5, 10)
    assert "the online probe begins anew: it has learnt from 4 features, and here are 6" in caplog.text
    fresh = OnlineProbe(0.1, 0.9, 2, torch.device("cpu"))
    fresh.learn(wide, label, 5, 10)
    found, expected = new.logits(wide), fresh.logits(wide)
    assert found is not None
    assert expected is not None
    assert torch.equal(found, expected)
    assert torch.equal(new.accuracy(), fresh.accuracy())
