"""Gradients reach what is trained, and scheduled values are followed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .subject import Arguments, Subject
from .values import alike, flat, replaced, text


def gradients(s: Subject) -> None:
    """Gradients reach every weight and every float that is taken, and are finite; or never leave, when detached."""
    wanted: set[str] = set()
    reached: set[str] = set()
    for arguments in s.accepted["forward"]:
        outputs, found = _backward(s, s.build().module, arguments)
        if s.component.detached and outputs:
            s.fail("is registered as detached, but its output carries a gradient")
        arrived = {k: g for k, g in found.items() if g is not None}
        if wrong := [k for k, g in arrived.items() if not g.isfinite().all()]:
            s.fail(f"the gradient of {wrong[0]} is not finite for {text(arguments)}")
        wanted |= set(found)
        reached |= set(arrived)
    if wanted - reached and not s.component.detached:
        missing = ", ".join(sorted(wanted - reached))
        s.fail(f"no gradient reaches {missing}: a stop belongs in the graph, or in @component(..., detached=True)")


def _backward(s: Subject, module: nn.Module, arguments: Arguments) -> tuple[list[Tensor], dict[str, Tensor | None]]:
    """What of forward's outputs carries a gradient, and that of a weighted sum at each weight and float taken."""
    given = replaced(arguments, _leaf)
    leaves: dict[str, Tensor] = {f"the weight '{k}'": p for k, p in module.named_parameters() if p.requires_grad}
    for name, value in given.items():
        leaves |= {f"'{name}'" + f"[{i}]" * (i > 0): t for i, t in enumerate(flat(value)) if t.requires_grad}
    outputs = [t for t in flat(s.call(module, "forward", given)) if t.requires_grad]
    if not outputs or not leaves:
        return outputs, dict.fromkeys(leaves)
    # Not ones: the sum of a softmax, or of normalised values, depends on nothing.
    weights = [torch.linspace(1, 2, t.numel(), dtype=t.dtype).view_as(t) for t in outputs]
    found = torch.autograd.grad(outputs, list(leaves.values()), weights, allow_unused=True)
    return outputs, dict(zip(leaves, found, strict=True))


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor


def schedules(s: Subject) -> None:
    """What is declared as scheduled is read from the attribute, in the call: for values, or for gradients alone."""
    for name, value in s.scheduled.items():
        both = (value, 0.0 if value > 0.5 else 1.0)
        if alike(*(_told(s, name, now) for now in both)) and alike(*(_pulled(s, name, now) for now in both)):
            s.fail(f"'{name}' may be scheduled, but nothing follows it: read self.{name} where it is used")


def _scheduled(s: Subject, name: str, now: float) -> nn.Module:
    module = s.build(schedules=True).disturbed().module
    getattr(module, name).fill_(now)
    return module


def _told(s: Subject, name: str, now: float) -> list[Any]:
    """All values that a component gives, and its state in the end, when a schedule stands at `now`."""
    module = _scheduled(s, name, now)
    told = [s.call(module, method, a) for method in (*s.methods, "forward") for a in s.accepted[method]]
    return [told, module.state_dict()]


def _pulled(s: Subject, name: str, now: float) -> list[Any]:
    """All gradients that it gives then."""
    module = _scheduled(s, name, now)
    return [_backward(s, module, arguments)[1] for arguments in s.accepted["forward"]]
