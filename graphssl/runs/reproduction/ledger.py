"""What came of reproductions: a JSON file each, beside the hand-written one, which stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from ...errors import RunError, reason_of
from ...evaluation.registry import bounds_of
from ...evaluation.spread import Spread
from ...files import read_regular, write_whole, writing
from ...graph.changes import LENGTH, described, is_free
from ...graph.graph import Graph
from ...graph.spec.section import Section
from ...track.names import leaves
from .read import Written, packaged_folder
from .spec import Reproduction

__all__ = ["Entry", "Forecast", "Results", "keep_results", "recipe_of", "results_of", "spreads_of"]

LARGEST = 1 << 24  # bytes
ENCODER = "encoder"  # what is judged by default, and left out of a recipe's hash
HERE = Path("reproductions", "results")


class Entry(Section):
    """Of one seed. scores: by metric, in the figure's unit. seconds: of its run with what that evaluates, all
    starts together, None of one that nobody has counted; beside other code, of the training alone."""

    scores: dict[str, float]
    seconds: float | None = None
    run: str | None = None
    date: str
    machine: str
    command: str


class Forecast(Section):
    """Of the training of one seed. flops: of all steps."""

    steps: int
    flops: float


class Results(Section):
    """recipe: a hash of all that the numbers depend on. seeds: ours, by seed. beside: the other code's."""

    recipe: str
    forecast: Forecast | None = None
    seeds: dict[str, Entry] = Field(default_factory=dict)
    beside: dict[str, Entry] = Field(default_factory=dict)


def recipe_of(graph: Graph, spec: Reproduction) -> str:
    """A hash of what the numbers depend on: the graph without its seed and what is free, and what is measured."""
    told = {
        key: value
        for key, value in leaves(described(graph))
        if key in LENGTH or not (key == "train.seed" or is_free(key))
    }
    if (judged := graph.spec.evaluate.named[:1]) not in ((), (ENCODER,)):
        told["evaluate.features"] = judged
    measured = {metric: (figure.options, figure.epoch) for metric, figure in spec.figures.items()}
    return hashlib.sha256(json.dumps([told, measured], sort_keys=True).encode()).hexdigest()[:12]


def _file(written: Written) -> Path:
    """Where results are written: beside the file; of an installed one under the current folder."""
    checkout = (written.file.resolve().parent.parent / "pyproject.toml").is_file()
    if written.packaged and not checkout:
        return HERE / f"{written.name}.json"
    return written.file.parent / "results" / f"{written.name}.json"


def results_of(written: Written) -> Results | None:
    """What is known: of who has written the file, or of this machine. Raises RunError for a file that is none."""
    shipped = packaged_folder() / "results" / f"{written.name}.json"
    for path in dict.fromkeys((_file(written), *([shipped] if written.packaged else []))):
        try:
            content = read_regular(path, LARGEST)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
        try:
            return Results.model_validate_json(content or b"")
        except ValidationError as error:
            raise RunError(f"{path} holds no results ({reason_of(error)}): delete it") from error
    return None


def keep_results(written: Written, results: Results) -> Path:
    """Writes them whole, and says where. Raises RunError where that is not possible."""
    path = _file(written)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(results.model_dump(exclude_none=True), indent=1) + "\n")
    return path


def spreads_of(spec: Reproduction, seeds: Mapping[str, Entry]) -> dict[str, Spread]:
    """Of each figure that all of these seeds have, in its unit."""
    found = {}
    for metric, figure in spec.figures.items():
        values = [entry.scores[metric] for entry in seeds.values() if metric in entry.scores]
        if values and len(values) == len(seeds):
            low, high = bounds_of(metric)
            found[metric] = Spread.of(values, (figure.scale * low, figure.scale * high))
    return found
