"""What figures are called: the evaluation, and in what it was otherwise than the run's graph has it.

`knn`, `knn/top5`, `knn k 200`, `knn of target.encoder`, `linear on pets`, `finetune labels 0.01/top5`: words that
MLflow takes in the name of a metric.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Named", "label_of", "parse"]

LONGEST = 120


class Named(NamedTuple):
    """A metric's name in parts: `finetune labels 0.01/top5` is of `finetune`, otherwise `labels 0.01`, its `top5`."""

    evaluation: str
    otherwise: str
    part: str


def parse(metric: str) -> Named:
    label, _, part = metric.partition("/")
    evaluation, _, otherwise = label.partition(" ")
    return Named(evaluation, otherwise, part)


def label_of(evaluation: str, otherwise: Mapping[str, Any], of: str | None = None, on: str | None = None) -> str:
    """The name of an evaluation's figures. otherwise: options that differ. of: what is judged, where it is not what the
    graph judges first. on: the data, where they are others."""
    said = [f"{key} {_plain(value)}" for key, value in otherwise.items()]
    said += [f"of {of}"] * (of is not None) + [f"on {_plain(on)}"] * (on is not None)
    label = " ".join([evaluation, *said])
    if len(label) <= LONGEST:
        return label
    return f"{label[: LONGEST - 9].rstrip()} {hashlib.sha256(label.encode()).hexdigest()[:8]}"


def _plain(value: Any) -> str:
    """A value in the characters that MLflow takes in a name; no slash, which parts a metric from its evaluation."""
    if isinstance(value, Mapping):
        value = " ".join(f"{key} {_plain(one)}" for key, one in value.items())
    elif isinstance(value, list | tuple):
        value = " ".join(map(_plain, value))
    elif isinstance(value, float):
        value = f"{value:g}"
    return re.sub(r"[^\w. -]+", "-", str(value))
