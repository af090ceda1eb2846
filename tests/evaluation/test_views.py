"""Views of the pictures that classifiers learn from: whose they are, and the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from graphssl.component import discover
from graphssl.data import Datasets, facts, open_data
from graphssl.evaluation.views import Views, augmenter
from graphssl.graph.spec import Data

CPU = torch.device("cpu")


@pytest.fixture(params=["arrays", "files", "files with workers"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Datasets, Data]:
    """Digits; or pictures of different sizes, flat, of which the red says the class and the green the number."""
    if request.param == "arrays":
        section = Data(use="digits", batch=16)
    else:
        for part, n in (("train", 12), ("test", 4)):
            for i in range(n):
                at = tmp_path / part / f"c{i % 3}" / f"{i:02}.png"
                at.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20 + i, 30), (80 * (i % 3), 10 * i, 0)).save(at)
        more: dict[str, Any] = {"resident": "workers", "workers": 2} if "workers" in request.param else {}
        section = Data(use="image_folder", root=str(tmp_path), size=16, batch=4, **more)
    discover()
    return open_data(section, CPU, 0), section


def views(given: tuple[Datasets, Data], seed: int = 0, **options: Any) -> Views:
    known = facts(given[1])
    return Views(augmenter("augment.chain", known, **{"views": 1, **options}), given[0], known, CPU, seed)


CROPS = [{"use": "crop", "area": [0.5, 1.0]}, "flip"]


def test_each_picture_once_with_its_label(given: tuple[Datasets, Data]) -> None:
    data, section = given
    seen = list(views(given, operations=CROPS).epoch(0, 5))
    labels = torch.cat([one.label for one in seen])
    assert len(labels) == data.learning
    assert labels.bincount().tolist() == data.learning_labels.bincount().tolist()
    assert [len(one.label) for one in seen[:-1]] == [5] * (len(seen) - 1)
    if section.use == "image_folder":
        mean, std = (torch.tensor(v)[:, None, None] for v in (facts(section).mean, facts(section).std))
        pixels = (torch.cat([one.views[0] for one in seen]) * std + mean) * 255
        assert torch.equal((pixels[:, 0].mean((1, 2)) / 80).round().long(), labels)
        assert sorted((pixels[:, 1].mean((1, 2)) / 10).round().long().tolist()) == list(range(12))
    data.close()


def test_the_same_again_and_others_in_another_epoch_or_of_another_seed(given: tuple[Datasets, Data]) -> None:
    def first(seed: int, epoch: int) -> torch.Tensor:
        found: torch.Tensor = next(views(given, seed, operations=CROPS).epoch(epoch, 8)).views[0]
        return found

    one = first(0, 0)
    assert torch.equal(one, first(0, 0))
    assert not torch.equal(one, first(0, 1))
    assert not torch.equal(one, first(1, 0))
    given[0].close()


def test_some_of_them(given: tuple[Datasets, Data]) -> None:
    data, places = given[0], torch.tensor([1, 4, 7])
    found = [one.label for one in views(given, operations=CROPS).epoch(3, 2, places)]
    assert sorted(torch.cat(found).tolist()) == sorted(data.learning_labels[places].tolist())
    every = [one.label for one in views(given, operations=CROPS).epoch(3, 7)]
    assert sorted(torch.cat(every).tolist()) == sorted(data.learning_labels.tolist())
    data.close()


def test_several_views(given: tuple[Datasets, Data]) -> None:
    (one, *_) = views(given, operations=CROPS, views=3).epoch(0, 2)
    assert [v.shape for v in one.views] == [(2, 3, *facts(given[1]).image)] * 3
    assert not torch.equal(one.views[0], one.views[1]) or given[1].use == "image_folder"  # flat ones look alike
    given[0].close()
