"""Which runs can be compared. What a comparison says is tested with the store, in `track`, and on the command line."""

from __future__ import annotations

import pytest

from graphssl.errors import UsageError
from graphssl.runs.compare import compare_runs


@pytest.mark.parametrize("names", [[], ["one"]])
def test_it_takes_two_to_compare(names: list[str]) -> None:
    with pytest.raises(UsageError, match="it takes two runs or more to compare"):
        compare_runs(names)
