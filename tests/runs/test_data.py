"""When the data of a run are no longer those of its checkpoint."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from graphssl.runs.data import change_since


def data(samples: int, fingerprint: str | None) -> Any:
    return SimpleNamespace(train=SimpleNamespace(samples=samples), fingerprint=fingerprint)


@pytest.mark.parametrize(
    ("now", "then", "change"),
    [
        (data(1500, None), {"samples": 1500}, None),
        (data(1500, None), {"samples": 1500, "files": None}, None),
        (data(1500, "a"), {"samples": 1500}, None),
        (data(1500, "a"), {"samples": 1500, "files": "a"}, None),
        (data(1500, "a"), {"samples": 1500, "files": "b"}, "as many training pictures, but of other names or classes"),
        (data(1500, "a"), {"samples": 1400, "files": "b"}, "1,500 training samples now, 1,400 then"),
    ],
)
def test_in_what_the_data_has_changed(now: Any, then: dict[str, Any], change: str | None) -> None:
    assert change_since(then, now) == change
