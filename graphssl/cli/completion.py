"""What a shell completes: graphs, runs, studies, components and the keys of `--set`; without torch, which is slow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "complete_components", "complete_graphs", "complete_runs", "complete_sets", "complete_studies",
    "complete_studies_alone",
]  # fmt: skip

REGISTERED = re.compile(r'@component\(\s*"([\w.]+)"')
YAML = (".yaml", ".yml")


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in dict.fromkeys(names) if name.startswith(incomplete))


def complete_graphs(incomplete: str) -> list[str]:
    """Packaged graphs by name, graph files and folders by path."""
    from ..graph.language.packaged import packaged

    return _beginning([*packaged(), *_paths(incomplete, YAML)], incomplete)


def _paths(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Files with these endings, and folders, that begin so."""
    head, _, _ = incomplete.rpartition("/")
    folder = Path(head or ("/" if incomplete.startswith("/") else "."))
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        name = f"{head}/{entry.name}" if "/" in incomplete else entry.name
        if entry.is_dir() and not entry.name.startswith("."):
            yield f"{name}/"
        elif entry.suffix in suffixes:
            yield name


def complete_runs(incomplete: str) -> list[str]:
    """The names of runs under `runs/`."""
    return _beginning((path.parent.name for path in Path("runs").glob("*/graph.yaml")), incomplete)


def complete_studies(incomplete: str) -> list[str]:
    """Studies under `studies/`, and what else a sweep takes: graphs."""
    return [*complete_studies_alone(incomplete), *complete_graphs(incomplete)]


def complete_studies_alone(incomplete: str) -> list[str]:
    """Studies under `studies/`."""
    return _beginning((path.parent.name for path in Path("studies").glob("*/journal.log")), incomplete)


def complete_components(incomplete: str) -> list[str]:
    """The names of the components that come along, as their files say them, and of their kinds."""
    from importlib import resources

    names: list[str] = []
    for file in Path(str(resources.files("graphssl.components"))).glob("*/*.py"):
        names += REGISTERED.findall(file.read_text("utf-8"))
    return _beginning([*names, *(name.partition(".")[0] for name in names)], incomplete)


def complete_sets(ctx: Any, incomplete: str) -> list[str]:
    """The keys of the graph that the command names, and of the sections that every graph has."""
    if "=" in incomplete:
        return []
    known = [ctx.params.get(name) for name in ("graph", "study", "first")]
    words = [*(ctx.params.get("graphs") or ()), *ctx.args]  # the words, where the last option is not whole yet
    named = next((word for word in [*known, *words] if word and not word.startswith("-")), None)
    keys = [*_of_graph(named)] if named else []
    return _beginning((f"{key}=" for key in [*keys, *_of_sections()]), incomplete)


def _of_graph(name: str) -> Iterator[str]:
    from ..errors import GraphError
    from ..graph.language.load import load
    from ..track.names import leaves

    try:
        data = load(name).data
    except GraphError:
        return
    for node in data.get("nodes") or {}:
        yield f"nodes.{node}"
    yield from (key for key, _ in leaves(data))


def _of_sections() -> Iterator[str]:
    from ..graph.spec import Data, Evaluate, Train

    for section, model in (("train", Train), ("data", Data), ("evaluate", Evaluate)):
        yield from (f"{section}.{name}" for name in model.model_fields)
