"""The rates of a detector's training, and the order of its pictures."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from graphssl.errors import RunError
from graphssl.evaluation.detection.pictures import Object, Picture
from graphssl.evaluation.detection.reading import ahead, batches_of, read
from graphssl.evaluation.detection.training import Recipe
from graphssl.train.precision import resolve


def recipe(**more: object) -> Recipe:
    given = {"iterations": 100, "batch": 2, "lr": 0.1, "steps": [60, 80], "warmup": 10, "momentum": 0.9, "decay": 0.0}
    return Recipe(**{**given, "flip": 0.5, "precision": resolve("fp32", torch.device("cpu")), **more})


def test_rates_rise_and_fall_as_detectron2_has_them() -> None:
    rates = [recipe().lr_at(i) for i in (0, 5, 10, 59, 60, 79, 80, 99)]
    assert rates == pytest.approx([1e-4, 0.1 * (0.001 + 0.999 / 2), 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert recipe(warmup=0).lr_at(0) == 0.1


def pictures() -> list[Picture]:
    sizes = [(40, 20), (20, 40), (30, 30), (20, 30), (50, 20), (10, 20)]
    return [Picture(f"{i}.jpg", w, h, (Object((0, 0, 5, 5), 1, 25),)) for i, (w, h) in enumerate(sizes)]


def test_batches_are_the_same_for_a_seed_and_wide_ones_or_high_ones() -> None:
    known = pictures()
    batches = list(islice(batches_of(known, 2, 1), 12))
    assert batches == list(islice(batches_of(known, 2, 1), 12))
    assert batches != list(islice(batches_of(known, 2, 2), 12))
    for batch in batches:
        assert len({known[place].width >= known[place].height for place, _ in batch}) == 1
    seen = sorted(place for batch in islice(batches_of(known, 1, 0), 12) for place, _ in batch)
    assert seen == sorted([*range(6), *range(6)]), "each once in an epoch"


def test_a_batch_may_be_larger_than_the_set() -> None:
    assert [len(batch) for batch in islice(batches_of(pictures(), 16, 0), 3)] == [16, 16, 16]


def test_work_is_done_ahead_in_its_order_and_fails_where_it_fails() -> None:
    assert list(ahead(range(300), lambda i: i * i)) == [i * i for i in range(300)]

    def work(i: int) -> int:
        if i == 50:
            raise RunError("no picture")
        return i

    found = ahead(iter(range(10**9)), work)
    assert [next(found) for _ in range(50)] == list(range(50))
    with pytest.raises(RunError, match="no picture"):
        next(found)


def test_a_file_that_is_no_picture_is_told() -> None:
    with pytest.raises(RunError, match=r"0\.jpg cannot be read as a picture"):
        read(pictures()[0], 3)
