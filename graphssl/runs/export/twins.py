"""The network of a plain library that takes a node's weights: its code, run to see that it gives the same features."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ...errors import RunError, UsageError
from .formats import FORMATS
from .subject import Subject

__all__ = ["Twin", "check_close", "renamed", "twin_of", "twins_of", "verify_twin"]

LIBRARIES = ("torchvision", "timm")
CLOSE = 1e-4  # of the largest feature: float32, in another order of summation


class Twin(Protocol):
    """See `graphssl.component`: which modules `lines`, that make `model`, use, and how weights are called there."""

    imports: tuple[str, ...]
    lines: tuple[str, ...]
    renames: Sequence[tuple[str, str]]


def twins_of(subject: Subject) -> Mapping[str, Twin | str]:
    """By library the network that takes the weights, or why there is none."""
    plain = subject.plain()
    node = plain.checked.graph.nodes.get(plain.name)
    if node is None:
        return dict.fromkeys(LIBRARIES, "it is what several nodes make, and no single network")
    if plain is subject and "average" in node.component.traits:
        return dict.fromkeys(LIBRARIES, "it follows several nodes, and is no single network")
    twins = getattr(node.component.cls, "twins", None)
    if twins is None:
        return dict.fromkeys(LIBRARIES, f"{node.component.name} is no network of theirs")
    found: Mapping[str, Twin | str] = twins(node.config, plain.checked.shapes.sizes[plain.name])
    return found


def twin_of(subject: Subject, library: str) -> Twin:
    """The library's network. Raises UsageError where there is none, which says why and what there is."""
    twins = twins_of(subject)
    twin = twins.get(library, f"its component knows of none in {library}")
    if not isinstance(twin, str):
        return twin
    without = [name for name in LIBRARIES if isinstance(twins.get(name, ""), str)]
    formats = [name for name in FORMATS if name not in without]
    raise UsageError(
        f"{library} has no network with the weights of '{subject.name}': {twin}; it can be exported to "
        f"{', '.join(formats)}"
    )


def renamed(state: Mapping[str, Tensor], twin: Twin) -> dict[str, Tensor]:
    """The weights under the names that they have there."""
    found = {}
    for key, value in state.items():
        for pattern, other in twin.renames:
            key = re.sub(pattern, other, key)
        found[key] = value
    return found


def verify_twin(subject: Subject, twin: Twin, state: Mapping[str, Tensor]) -> None:
    """Runs the code that makes the network, loads the weights strictly, and compares its features with ours.

    Raises RunError where it does not fit: with another version of the library, say.
    """
    names: dict[str, Any] = {}
    try:
        with torch.random.fork_rng(devices=[]):  # what the user is told to run
            exec("\n".join([f"import torch, {', '.join(twin.imports)}", *twin.lines]), names)
        model = names["model"].eval()
        model.load_state_dict(state)  # strictly
        x = subject.input(2)
        with torch.inference_mode():
            theirs = model(x)
    except Exception as error:
        raise RunError(
            f"the weights of '{subject.name}' do not fit {twin.lines[0]}: {' '.join(str(error).split())[:300]}"
        ) from error
    check_close(subject, twin.lines[0], theirs, subject.vector(x))


def check_close(subject: Subject, what: str, theirs: Tensor, ours: Tensor) -> None:
    """Raises RunError for other values than ours."""
    if theirs.shape != ours.shape:
        raise RunError(f"{what} gives {list(theirs.shape)}, and '{subject.name}' {list(ours.shape)}")
    apart = float((theirs - ours).abs().max())
    if not apart <= CLOSE * max(1.0, float(ours.abs().max())):
        raise RunError(f"{what} gives other values than '{subject.name}', by up to {apart:.2g}: nothing is written")
