"""`exchange` counts the bytes that several processes send, beside those that are foretold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_scripts import cells, number


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/dev").exists(), reason="counts what the loopback device carries")
def test_exchange_counts_what_is_sent(run: Callable[..., str]) -> None:
    text = run(
        "exchange", "--encoder", "small", "--batch", "8", "--repeats", "2", "--steps", "2", "--graphs", "moco_v2"
    )
    said, carried, ratio = map(number, cells(text, "moco_v2"))
    assert carried >= 0.95 * said
    assert ratio == pytest.approx(carried / said, abs=1e-3)
    assert len(cells(text, "simclr")) == 4
