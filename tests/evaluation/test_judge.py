"""The judge: which evaluations run when, on which features, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphssl.checks.evaluations import no_judgement
from graphssl.component import DataFacts
from graphssl.data import Batch
from graphssl.errors import RunError
from graphssl.evaluation import Context, Evaluation, EvaluationConfig, Judge
from graphssl.evaluation.judge import build_evaluations
from graphssl.evaluation.knn import Knn
from graphssl.evaluation.logistic import Logistic


class Shades:
    """Two splits of flat grey images, of which the shade is the class; every third reference has no label."""

    def __init__(self, labelled: bool = True) -> None:
        self.labelled = labelled

    def _split(self, n: int, batch: int, hide: bool) -> Iterator[Batch]:
        label = torch.arange(n) % 4
        noise = torch.randint(0, 8, (n, 3, 6, 6), generator=torch.Generator().manual_seed(n))
        image = (torch.tensor([0, 80, 160, 240])[label][:, None, None, None] + noise).to(torch.uint8)
        hidden = ((torch.arange(n) % 3 == 0) & hide) | (not self.labelled)
        shown = torch.where(hidden, -1, label)
        yield from (Batch(image[i], i, shown[i]) for i in torch.arange(n).split(batch))

    def reference(self, batch: int) -> Iterator[Batch]:
        return self._split(40, batch, True)

    def test(self, batch: int) -> Iterator[Batch]:
        return self._split(20, batch, False)


class Shade(nn.Module):
    """The shade as a point on half a circle."""

    def forward(self, image: Tensor) -> Tensor:
        angle = image.mean(dim=(1, 2, 3)) * torch.pi
        return torch.stack([angle.cos(), angle.sin()], dim=1)


def judge(data: Any, **evaluations: Evaluation) -> Judge:
    facts = DataFacts(classes=4, mean=(0.0,) * 3, std=(1.0,) * 3)
    return Judge(evaluations, Context(Shade(), data, facts, (4, 4), 7, torch.device("cpu")))


def knn(**options: Any) -> Knn:
    return Knn(Knn.Config(**options))


def test_judge_finds_the_classes() -> None:
    assert judge(Shades(), knn=knn(k=5)).scores() == {"knn": 1.0}
    assert judge(Shades(), knn=knn(k=1000, temperature=1e6)).scores()["knn"] < 0.75  # all keys vote, all alike


@pytest.mark.parametrize("kind", [Knn, Logistic])
def test_judge_says_when_there_are_no_labels(kind: type[Evaluation]) -> None:
    with pytest.raises(RunError, match="needs reference samples with labels, and this data set has none"):
        judge(Shades(labelled=False), kind=kind(kind.Config())).scores()


def test_what_is_due_is_asked_of_each_evaluation() -> None:
    both = judge(Shades(), knn=knn(k=5, every=2), logistic=Logistic(Logistic.Config()))
    assert set(both.scores_due(0, ends=True)) == {"knn", "logistic"}
    assert both.scores_due(1, ends=False) == {}
    assert set(both.scores_due(2, ends=False)) == {"knn"}
    assert set(both.scores_due(3, ends=True)) == {"knn", "logistic"}


def test_features_are_made_once_for_all_evaluations_and_anew_each_time() -> None:
    seen: list[int] = []

    class Counted(Shade):
        def forward(self, image: Tensor) -> Tensor:
            seen.append(len(image))
            return super().forward(image)

    both = judge(Shades(), knn=knn(), logistic=Logistic(Logistic.Config()))
    counted = Judge(both.evaluations, Context(Counted(), *list(vars(both.context).values())[1:]))
    counted.scores()
    assert sum(seen) == 40 + 20
    counted.scores()
    assert sum(seen) == 2 * (40 + 20), "the weights may have changed"


class Stray(Evaluation):
    title = "stray"
    Config = EvaluationConfig

    def run(self, context: Context) -> dict[str, float]:
        return {"loss": 0.5}


def test_a_metric_has_the_name_of_its_evaluation() -> None:
    with pytest.raises(RunError, match=r"of the evaluation 'stray' is called so, or stray/...; not 'loss'"):
        judge(Shades(), stray=Stray(EvaluationConfig())).scores()


class Failing(Stray):
    def run(self, context: Context) -> dict[str, float]:
        raise ValueError("boom\nand more")


class Wordy(Stray):
    def run(self, context: Context) -> dict[str, float]:
        return {"wordy": "much"}  # type: ignore[dict-item]


@pytest.mark.parametrize(("kind", "reason"), [(Failing, r"boom\n  at "), (Wordy, "could not convert string to float")])
def test_an_evaluation_that_fails_is_named(kind: type[Stray], reason: str) -> None:
    """A user's own may, and that is no error of the framework's."""
    with pytest.raises(RunError, match=f"the evaluation 'own' failed: {reason}"):
        judge(Shades(), own=kind(EvaluationConfig())).scores()


def test_evaluations_are_built_by_name() -> None:
    built = build_evaluations({"logistic": Logistic.Config(penalty=0.5), "knn": Knn.Config()})
    assert [(name, type(kind)) for name, kind in built.items()] == [("logistic", Logistic), ("knn", Knn)]
    assert built["logistic"].config == Logistic.Config(penalty=0.5)
    with pytest.raises(LookupError, match="no evaluation is called 'knnn': did you mean 'knn'"):
        build_evaluations({"knnn": Knn.Config()})


@pytest.mark.parametrize(
    ("classes", "held_out", "reason"),
    [
        (10, True, None),
        (None, True, "the data set has no labels"),
        (10, False, "the data set has no held-out pictures"),
        (1, True, "the data set has one class, 'a', and so nothing to tell apart"),
    ],
)
def test_why_features_cannot_be_judged(classes: int | None, held_out: bool, reason: str | None) -> None:
    data: Any = SimpleNamespace(
        classes=classes and ("a",) * classes, held_out=held_out, judged=5, labelled=5, labels="`labels: none` says so"
    )
    assert (no_judgement(data) or "").startswith(reason or "")
    assert (no_judgement(data) is None) == (reason is None)
