"""Where weights come from: a file, a finished run, torchvision or timm. What has to be fetched is fetched late."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import suggest
from ...files import home
from ...graph.spec.weights import Weights
from .files import Tables, check_sums, digest, read_tables
from .refusal import Refused

__all__ = ["RUNS", "Stored", "find_stored", "pinned"]

RUNS = Path("runs")
CHECKPOINT = re.compile(r"step-(\d+)(\.pt)?")


@dataclass(frozen=True)
class Stored:
    """Weights, and in words where they are. path: their file, where it is here.

    look: their names and shapes. read: the weights themselves, fetched where they are not here.
    """

    said: str
    path: Path | None
    look: Callable[[], Tables]
    read: Callable[[], Tables]


def find_stored(weights: Weights, node: str, folder: Path) -> Stored:
    """The weights that a node asks for. folder: of the graph file that says so. Raises Refused where there are none."""
    kind, value = weights.source
    if kind == "file":
        return _file(value, folder, weights.sha256)
    if kind == "run":
        return _run(value, weights.node or node, weights)
    return _torchvision(value) if kind == "torchvision" else _timm(value)


def pinned(weights: Weights, stored: Stored, node: str, folder: Path) -> Weights:
    """The same `weights:`, readable from any folder, with the digest of the file that they are."""
    known: dict[str, Any] = {}
    if weights.file is not None:
        known["file"] = str(stored.path)
    if weights.run is not None:
        known |= {"run": str(_folder_of(weights.run).resolve()), "node": weights.node or node}
    if stored.path is not None and (weights.file is not None or weights.run is not None):
        known["sha256"] = digest(stored.path)
    return weights.model_copy(update=known)


# -- files and runs -------------------------------------------------------------------------------------------------


def _file(name: str, folder: Path, sha256: str | None) -> Stored:
    path = Path(os.path.realpath(folder / home(name)))
    if not os.path.exists(path):
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if os.path.isdir(path.parent) else []
        close = suggest(path.name, beside)
        hint = f"did you mean '{Path(name).with_name(close.near)}'?" if close.near else None
        if os.path.isfile(RUNS / name / "graph.yaml"):
            hint = f"there is a run of this name: weights: {{run: {name}}}"
        raise Refused(
            f"there is no file of weights '{name}' ({path})", hint or "it is relative to the graph file", "file",
            absent=True,
        )  # fmt: skip
    return Stored(name, path, lambda: read_tables(path), lambda: _whole(path, sha256))


def _whole(path: Path, sha256: str | None) -> Tables:
    """The weights of a file that is neither damaged nor another than it should be."""
    if sha256 is not None and (found := digest(path)) != sha256:
        raise Refused(f"{path} is not the file that it was: its SHA-256 is {found}, and not {sha256}", key="sha256")
    check_sums(path)
    return read_tables(path)


def _folder_of(run: str) -> Path:
    """The folder of a run by its name under `runs/`, or by its path."""
    for path in (RUNS / run, home(run)):
        if os.path.isfile(path / "graph.yaml"):
            return path
    known = sorted(p.parent.name for p in RUNS.glob("*/graph.yaml"))
    hint = suggest(run, known, "runs are").text or f"there are {len(known)} under {RUNS}/"
    raise Refused(f"there is no run called '{run}'", hint, "run", absent=True)


def _run(run: str, part: str, weights: Weights) -> Stored:
    folder = _folder_of(run)
    files = [p for p in (folder / "checkpoints").glob("step-*") if CHECKPOINT.fullmatch(p.name)]
    if not files:
        raise Refused(f"the run '{run}' has no checkpoint yet", key="run")
    last = max(files, key=lambda p: int(p.stem.partition("-")[2]))
    if last.is_dir():
        hint = f"write them to one file, `graphssl export {run} -o encoder.pt`, and name that: file: encoder.pt"
        raise Refused(f"the weights of the run '{run}' are in parts of several processes", hint, "run")
    said = f"{part} of the run {folder.name}"
    return Stored(
        said, last,
        lambda: _part_of(read_tables(last), part, run), lambda: _part_of(_whole(last, weights.sha256), part, run),
    )  # fmt: skip


def _part_of(tables: Tables, part: str, run: str) -> Tables:
    """What a run's checkpoint has of a node, or of a part of one."""
    state = tables.get("model", {})
    found = {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}
    if not found:
        nodes = list(dict.fromkeys(name.split(".")[0] for name in state))
        hint = suggest(part, nodes, "nodes with weights are").text
        raise Refused(f"'{part}' has no weights in the run '{run}'", hint, "node")
    return {"": found}


# -- libraries ------------------------------------------------------------------------------------------------------


def _torchvision(name: str) -> Stored:
    from torchvision import models

    try:
        weights: Any = models.get_weight(name)
    except (ValueError, AttributeError, KeyError):
        raise Refused(f"torchvision has no weights '{name}'", _torchvision_names(name), "torchvision") from None
    builder = next(m for m in models.list_models() if models.get_model_weights(m) is type(weights))
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if cached.is_file():
        return Stored(name, cached, lambda: read_tables(cached), lambda: _whole(cached, None))
    return Stored(
        name, None, lambda: _shapes_of(lambda: models.get_model(builder, weights=None)),
        lambda: _fetched(name, lambda: weights.get_state_dict(progress=False, check_hash=True)),
    )  # fmt: skip


def _torchvision_names(name: str) -> str | None:
    from torchvision import models

    names = [str(w) for m in models.list_models(module=models) for w in models.get_model_weights(m)]
    return suggest(name, names).text


def _timm(name: str) -> Stored:
    try:
        import timm
    except ImportError:
        raise Refused(f"timm is not installed, which has '{name}'", "pip install 'graphssl[timm]'", "timm") from None
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        hint = suggest(architecture, timm.list_models()).text
        raise Refused(f"timm has no model '{architecture}'", hint, "timm")
    tags = timm.list_pretrained(f"{architecture}.*")
    if (tag and name not in tags) or not tags:
        hint = suggest(name, tags).text or f"it has none for {architecture}"
        raise Refused(f"timm has no weights '{name}'", hint, "timm")
    return Stored(
        name, None, lambda: _shapes_of(lambda: timm.create_model(name, pretrained=False)),
        lambda: _fetched(name, lambda: timm.create_model(name, pretrained=True).state_dict()),
    )  # fmt: skip


def _shapes_of(make: Callable[[], torch.nn.Module]) -> Tables:
    with torch.device("meta"):
        return {"": make().state_dict()}


def _fetched(name: str, fetch: Callable[[], Mapping[str, Tensor]]) -> Tables:
    """Raises Refused where it cannot be fetched: whatever the library raises then."""
    try:
        return {"": fetch()}
    except Exception as error:
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        hint = "where there is no network, weights: FILE takes a file that was fetched elsewhere"
        raise Refused(f"'{name}' cannot be fetched ({reason})", hint) from error
