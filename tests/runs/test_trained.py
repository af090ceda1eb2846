"""What a run's graph gives, with its weights: asked for by a name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import BYOL
from left_runs import left_run

from graphssl.errors import UsageError
from graphssl.runs.trained import load_trained


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("encodr", "did you mean 'encoder'?"), ("target.encodr", "did you mean 'target.encoder'?"),
        ("nobody", "it has augment, encoder, "),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there(here: Path, name: str, hint: str) -> None:
    run = left_run(here / "runs/a", BYOL)
    with pytest.raises(UsageError) as caught:
        load_trained(run, name, torch.device("cpu"))
    assert f"the graph of 'a' has no node and no value '{name}': {hint}" in str(caught.value)
