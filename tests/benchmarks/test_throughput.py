"""`throughput` has images a second of every way to run a step that is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from benchmark_scripts import TINY, cells, number


@pytest.mark.slow
def test_throughput_has_every_way_that_is_asked_for(run: Callable[..., str]) -> None:
    text = run(
        "throughput", *TINY, "--setting", "32", "--method", "moco_v2", "simclr", "--batches", "1", "--way", "eager"
    )
    for method in ("moco_v2", "simclr"):
        speed, share = cells(text, f"{method}, small, 32 px, batch 8, fp32: by hand")
        assert number(speed) > 0
        assert 0 < number(share) < 100
    assert text.count("\n  eager ") == 2


@pytest.mark.gpu
def test_throughput_records_on_a_gpu(run: Callable[..., str]) -> None:
    text = run("throughput", *TINY, "--setting", "32", "--method", "moco_v2", "--way", "eager", "recorded")
    assert number(cells(text, "recorded")[0]) > 0, "and no reason why not stands in between"
