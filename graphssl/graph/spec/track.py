"""The key `track:`: where metrics and artifacts go while a run trains, beside its own folder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

__all__ = ["NEEDS", "Track"]

SinkName = Literal["mlflow", "csv", "tensorboard"]
NEEDS = {"tensorboard": ("tensorboard", "tensorboard")}  # by sink: a package, and the extra of graphssl that has it


def _each_once(names: list[SinkName]) -> list[SinkName]:
    return list(dict.fromkeys(names))


Track = Annotated[
    list[SinkName],
    AfterValidator(_each_once),
    Field(
        description="where its metrics go: `mlflow`, the store in use; `tensorboard`, a folder `tensorboard` in the "
        "run's; `csv`, a file `metrics.csv` there, which every run has. `[csv]` is without MLflow"
    ),
]
