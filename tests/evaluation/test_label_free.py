"""What is measured without labels: which pictures and views it is made of, and what is left out with which reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphssl.components  # noqa: F401  # the augmenting nodes
from graphssl.data import Datasets, open_data
from graphssl.data.known import facts
from graphssl.errors import RunError
from graphssl.evaluation import Context, seen
from graphssl.evaluation import context as room
from graphssl.evaluation.context import spread
from graphssl.evaluation.label_free import KEPT, LabelFree
from graphssl.evaluation.registry import better_metrics, metric_title, score_text
from graphssl.evaluation.seen import embed_views
from graphssl.evaluation.spectrum import alignment, lidar, rankme, singular_values, uniformity
from graphssl.evaluation.views import augmenter
from graphssl.graph import spec
from graphssl.world import World

DATA = spec.Data(use="digits", batch=16)
FACTS = facts(DATA)


@pytest.fixture(scope="module")
def data() -> Iterator[Datasets]:
    opened = open_data(DATA, torch.device("cpu"), 0)
    yield opened
    opened.close()


class Rows(nn.Module):
    """A vector of each picture: the means of its rows, 32 numbers."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean(dim=(1, 3)) - 0.2


class Plain(nn.Module):
    """Views that are the picture itself, normalised."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.channels = channels or (3,)

    def draw(self, b: int, generator: Any, device: Any) -> tuple[Tensor, ...]:
        return ()

    def forward(self, image: Tensor, draws: Any) -> Any:
        mean, std = (image.new_tensor(v, dtype=torch.float32)[:, None, None] for v in (FACTS.mean, FACTS.std))
        return tuple(((image / 255 - mean) / std)[:, :c] for c in self.channels)


def context(data: Datasets, augment: nn.Module | None = None, batch: int = 16, seed: int = 0) -> Context:
    return Context(Rows(), data, FACTS, (32, 32), batch, torch.device("cpu"), seed=seed, augment=augment)


def simclr() -> nn.Module:
    return augmenter("augment.simclr", FACTS)


def test_pictures_are_spread_evenly() -> None:
    assert spread(10, 3).tolist() == [0, 3, 6]
    assert spread(4, 9).tolist() == spread(4, 4).tolist() == [0, 1, 2, 3]


def test_views_are_of_the_pictures_that_are_sampled(data: Datasets) -> None:
    given = context(data, Plain())
    plain, seen = given.sample(37), embed_views(given, 37, 3)
    assert seen is not None
    assert seen.shape == (37, 3, 32)
    for j in range(3):
        torch.testing.assert_close(seen[:, j], plain)
    every = context(data).sample(10**6)
    assert len(every) == data.pictures == 1500
    torch.testing.assert_close(plain, every[spread(1500, 37)])


def test_views_are_drawn_by_the_seed(data: Datasets) -> None:
    first, again, other = (embed_views(context(data, simclr(), seed=s), 20, 5) for s in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert len(first.flatten(0, 1).unique(dim=0)) == 100, "each view has draws of its own"
    fewer = embed_views(context(data, simclr()), 20, 3)
    assert fewer is not None
    assert torch.equal(fewer, first[:, :3])


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_several_processes_see_what_one_sees(data: Datasets, monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """Also where there are fewer batches than processes."""
    whole = embed_views(context(data, simclr(), batch=8), 30, 4)
    sample = context(data).sample(30)
    parts, samples = [], []
    for rank in range(processes):
        for module in (seen, room):
            monkeypatch.setattr(module, "current", lambda rank=rank: World(rank, processes))
            monkeypatch.setattr(module, "of_all_processes", lambda rows: rows.reshape(len(rows), -1))
        monkeypatch.setattr(room, "concatenated", lambda rows: rows)
        monkeypatch.setattr(seen, "of_all_processes", lambda rows: rows.reshape(len(rows), 4 * 32))
        part = embed_views(context(data, simclr(), batch=8), 30, 4) if rank < 4 else torch.empty(0, 4, 32)
        assert part is not None
        parts.append(part)
        samples.append(context(data).sample(30))
    assert whole is not None
    torch.testing.assert_close(torch.cat(parts), whole)
    torch.testing.assert_close(torch.cat(samples), sample)


def test_of_views_of_several_sizes_the_first_ones_are_taken(data: Datasets) -> None:
    crops = augmenter("augment.multicrop", FACTS)
    found = embed_views(context(data, crops), 12, 5)
    assert found is not None
    assert found.shape == (12, 5, 32)
    assert embed_views(context(data, Plain(1, 3, 2, 3)), 12, 2) is not None
    assert embed_views(context(data, Plain(1, 2)), 12, 2) is None


def run(given: Context, **options: Any) -> Any:
    return LabelFree(LabelFree.Config.model_validate({"samples": 200, "seen": 40, "views": 4, **options})).run(given)


def test_its_figures(data: Datasets) -> None:
    given = context(data, simclr())
    figures = run(given, fit=[3, 20])
    plain, seen = given.sample(200), embed_views(given, 40, 4)
    assert seen is not None
    singular = singular_values(plain)
    assert figures.scores["label_free/rankme"] == rankme(singular)
    assert figures.scores["label_free/uniformity"] == uniformity(plain)
    assert figures.scores["label_free/lidar"] == lidar(seen, 1e-4)
    assert figures.scores["label_free/alignment"] == alignment(seen)
    assert set(figures.scores) == {
        f"label_free/{part}"
        for part in ("rankme", "lidar", "alpha_req", "participation_ratio", "alignment", "uniformity")
    }
    assert figures.details["singular_values"] == singular.tolist()
    assert (figures.details["samples"], figures.details["features"]) == (200, 32)
    assert "left_out" not in figures.details
    assert run(given, fit=[3, 20]) == figures, "twice the same numbers"


def test_what_cannot_be_measured_is_left_out_with_the_reason(data: Datasets) -> None:
    none = run(context(data), fit=[31, 50])
    assert set(none.scores) == {"label_free/rankme", "label_free/participation_ratio", "label_free/uniformity"}
    assert none.details["left_out"] == {
        "alpha_req": "the covariance has fewer than 33 directions, and the power law is fitted from 31 on",
        "lidar": "the graph has no node that makes views",
        "alignment": "the graph has no node that makes views",
    }
    other = run(context(data, Plain(1)), fit=[3, 20])
    assert other.details["left_out"] == dict.fromkeys(
        ("lidar", "alignment"), "the views of the graph are no pictures of 3 channels"
    )


def test_the_spectrum_that_is_kept_is_bounded(data: Datasets) -> None:
    class Pixels(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image.flatten(1)

    given = Context(Pixels(), data, FACTS, (32, 32), 64, torch.device("cpu"))
    assert len(run(given, samples=600).details["singular_values"]) == KEPT < 600


def test_an_encoder_that_has_diverged(data: Datasets) -> None:
    class Diverged(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image.mean(dim=(2, 3)) * torch.nan

    given = Context(Diverged(), data, FACTS, (32, 32), 64, torch.device("cpu"))
    with pytest.raises(RunError, match="the features are not finite"):
        run(given)


def test_when_it_is_due_and_how_its_numbers_read() -> None:
    kind = LabelFree(LabelFree.Config())
    assert [epoch for epoch in range(26) if kind.due(epoch, ends=epoch in (0, 25))] == [0, 10, 20, 25]
    assert score_text("label_free/rankme", 123.456) == "123.5"
    assert metric_title("label_free/lidar") == "label-free lidar"
    assert better_metrics("label_free", True) == [f"label_free/{p}" for p in ("rankme", "lidar", "participation_ratio")]
    assert better_metrics("label_free", False) == ["label_free/alignment", "label_free/uniformity"]
    assert (better_metrics("knn", True), better_metrics("knn", False)) == (["knn"], [])


@pytest.mark.parametrize("options", [{"fit": [5, 6]}, {"fit": [0, 9]}, {"samples": 1}, {"views": 1}, {"delta": 0}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        LabelFree.Config.model_validate(options)
