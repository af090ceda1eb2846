"""State is where a checkpoint holds it and is written by updates alone; randomness comes from draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from .subject import INTERNAL, Built, Subject
from .values import alike, flat, replaced


def randomness(s: Subject) -> None:
    """The same draws give the same values; draws depend on their generator alone."""
    for arguments in s.accepted["forward"]:
        module = s.build().module
        if s.methods["forward"].draws and not alike(s.draw(module, arguments), s.draw(module, arguments)):
            s.fail("draw() does not depend on its generator alone")
        one, two = (s.call(s.build().module, "forward", arguments) for _ in range(2))
        if not alike(one, two):
            s.fail("the same call gives something else the second time: randomness comes from draw()")


def state(s: Subject) -> None:
    """State is persistent buffers, written by updates; forward writes nothing but the statistics of norms."""
    built = s.build().disturbed()
    for method in s.methods:
        changed: set[tuple[str, str]] = set()
        for arguments in s.accepted[method]:
            versions, before = [t._version for t in flat(arguments)], _seen(built)
            s.call(built.module, method, arguments)
            if versions != [t._version for t in flat(arguments)]:
                s.fail(f"{method} writes to its arguments")
            changed |= {k for k, v in _seen(built).items() if not alike(v, before.get(k))}
        for group, name in sorted(changed):
            _may_change(s, built.module, method, group, name)
        if method != "forward" and not changed:
            s.fail(f"the update {method} changes nothing")


def _seen(built: Built) -> dict[tuple[str, str], Any]:
    """All that a call could change, by group and name."""
    module, saved = built.module, built.module.state_dict()
    seen: dict[tuple[str, str], Any] = {}
    seen |= {("weight" if p.requires_grad else "state", k): p.detach() for k, p in module.named_parameters()}
    seen |= {("state" if k in saved else "attribute", k): b for k, b in module.named_buffers()}
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        seen |= {("attribute", prefix + k): v for k, v in vars(part).items() if k not in INTERNAL}
    for source in built.sources:
        seen |= {("source", k): v for k, v in source.state_dict().items()}
    return dict(replaced(seen, torch.clone))


def _may_change(s: Subject, module: nn.Module, method: str, group: str, name: str) -> None:
    if group == "source":
        s.fail(f"{method} writes to '{name}' of another node")
    if group == "weight":
        s.fail(f"{method} writes to '{name}', which the optimizer trains")
    if group == "attribute":
        s.fail(f"{method} writes to '{name}', which no checkpoint holds: make it a persistent buffer")
    owner = module.get_submodule(name.rpartition(".")[0])
    if method == "forward" and not isinstance(owner, _NormBase) and not type(owner).__module__.startswith("torch."):
        s.fail(f"forward writes to '{name}': a state is written by an update, after the optimizer's step")


def round_trip(s: Subject) -> None:
    """An instance that loads the state_dict goes on as the one that gave it."""
    first, second = s.build(seed=0).disturbed(), s.build(seed=1).disturbed()
    for method in s.component.updates:
        for arguments in s.accepted[method]:
            s.call(first.module, method, arguments)
    second.module.load_state_dict(first.module.state_dict())
    for method in s.methods:
        for arguments in s.accepted[method]:
            one, two = (s.call(built.module, method, arguments) for built in (first, second))
            if not alike(one, two) or not alike(first.module.state_dict(), second.module.state_dict()):
                s.fail(f"{method} does something else once the state_dict is loaded: it does not hold all of the state")
