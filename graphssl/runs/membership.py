"""The study that a run belongs to: said in the environment by who starts it, then kept in the run's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .folder import RunFolder
from .job import job

__all__ = ["Membership", "known_at_start", "membership_of"]

KEY = "GRAPHSSL_STUDY"


@dataclass(frozen=True)
class Membership:
    """study: its name. graph: the file that it varies. parent: its run in MLflow. varied: the run's values of
    what varies, by key."""

    study: str
    graph: str = ""
    parent: str | None = None
    varied: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What tells it to a run's process."""
        return {KEY: json.dumps(asdict(self))}


def _here() -> Membership | None:
    """That of a run which this process begins."""
    try:
        return _read(json.loads(os.environ.get(KEY, "null")))
    except ValueError:
        return None


def known_at_start(register: str | None) -> dict[str, Any]:
    """What is noted of a run beside its graph: its job, its study, the name that its model is registered by."""
    study, asked = _here(), {"job": job(), "register": register}
    return {**{k: v for k, v in asked.items() if v}, **({"study": asdict(study)} if study is not None else {})}


def membership_of(folder: RunFolder) -> Membership | None:
    """That of a run; None for one of no study."""
    return _here() or _read(folder.facts().get("study"))


def _read(known: Any) -> Membership | None:
    return Membership(**known) if isinstance(known, dict) and "study" in known else None
