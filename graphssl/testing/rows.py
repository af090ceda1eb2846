"""What the traits `apart`, `view`, `rows` and `mean` promise: half of the batch gives what it gives in the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from ..ports import Port
from ..ports.draws import draws_of
from ..world import World, own_part
from .subject import Arguments, Subject
from .values import alike, text

__all__ = ["samples_apart"]

BATCH, HALVES = 4, (World(0, 2), World(1, 2))
ROWS = {"apart", "view", "rows"}
KINDS = ("negatives", "scores")  # of which each says something of every sample


def samples_apart(subject: Subject) -> None:
    """Several processes give a node that says so its part of a batch each."""
    if not subject.component.traits & {*ROWS, "mean"} or hasattr(subject.component.cls, "cuts_only"):
        return
    module = subject.build().module
    if any(isinstance(inner, _NormBase) for inner in module.modules()):
        module.eval()  # batch norm sees the others
    mean = "mean" in subject.component.traits
    if not getattr(module, "mean" if mean else "apart", True):
        return
    for arguments in subject.accepts("forward", BATCH):
        if _draws(subject, module, arguments):
            module.eval()  # dropout in it, which is drawn for the whole batch
        whole, halves = _whole_and_halves(subject, module, arguments)
        if mean:
            right = alike(whole, sum(halves) / len(halves))
        else:
            right = all(alike(own_part(whole, half), part) for half, part in zip(HALVES, halves, strict=True))
        if not right:
            trait = "mean" if mean else ", ".join(sorted(ROWS & subject.component.traits))
            subject.fail(
                f"says {trait}, and half of the batch of forward({text(arguments)}) gives something else alone"
            )


def _draws(subject: Subject, module: nn.Module, arguments: Arguments) -> bool:
    """Whether a call draws numbers by itself."""

    def run(*given: Any, **named: Any) -> bool:
        before = torch.get_rng_state()
        module.forward(*given, **named)
        return not torch.equal(before, torch.get_rng_state())

    drawn: bool = subject.call(module, "forward", arguments, run)
    return drawn


def _whole_and_halves(subject: Subject, module: nn.Module, arguments: Arguments) -> tuple[Any, list[Any]]:
    draws = subject.draw(module, arguments) if subject.methods["forward"].draws else None
    whole = subject.call(module, "forward", arguments, draws=draws)
    halves = []
    for half in HALVES:
        own = dict(_part(subject, arguments, half))
        drawn = None if draws is None else draws_of(module, draws, BATCH, half.part(BATCH))
        halves.append(subject.call(module, "forward", own, draws=drawn))
    return whole, halves


def _part(subject: Subject, arguments: Arguments, half: World) -> Iterator[tuple[str, Any]]:
    for port in subject.methods["forward"].inputs:
        if port.name in arguments:
            value = arguments[port.name]
            yield port.name, own_part(value, half) if _has_rows(port) else value


def _has_rows(port: Port) -> bool:
    return port.kind in KINDS or port.axes[0][:1] == ("b",)
