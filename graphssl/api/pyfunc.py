"""What MLflow loads a run's model with: models that are kept name this module, so it stays where it is."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _load_pyfunc(path: str) -> Any:
    """An object whose `predict` gives features of pictures. path: the model's folder of data."""
    from ..runs.features.model import Model

    return Model(path)
