"""LARS: SGD with momentum whose rate is adapted layer by layer (You et al. 2017, arXiv:1708.03888, algorithm 1).

The order is that of the reference code of BYOL (deepmind-research, `byol/utils/optimizers.py`) and of MoCo v3
(`moco/optimizer.py`): weight decay joins the gradient first, the trust ratio divides by the norm of that sum, and
the learning rate stands outside of the momentum, as in `torch.optim.SGD`. The paper, and SimCLR's code, keep the
rate inside of the momentum, which `rate_inside` does; with a rate that does not change the two are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

__all__ = ["LARS"]


class LARS(Optimizer):
    """For a weight w of an adapted group, with gradient g:

        u = g + weight_decay * w
        m = momentum * m + u * eta * ||w|| / ||u||        (a factor of 1 where either norm is 0)
        w = w - lr * m

    With `rate_inside` m takes lr * u * eta * ||w|| / ||u||, and w is w - m. Groups with `adapted=False` (biases,
    normalisation) leave the factor out. The tensors of a group are on one device. lr may be a 0-d tensor. The step does
    no host-device synchronisation, with `torch.amp.GradScaler` neither: this divides the gradients by its scale, and
    changes nothing where it has found one that is not finite.
    """

    _step_supports_amp_scaling = True  # the scaler then sets `grad_scale` and `found_inf` for the time of a step

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        momentum: float = 0.9,
        eta: float = 1e-3,
        weight_decay: float = 0.0,
        adapted: bool = True,
        rate_inside: bool = False,
        **more: Any,
    ) -> None:
        for name, value in (("lr", lr), ("eta", eta), ("weight_decay", weight_decay)):
            if not isinstance(value, Tensor) and value < 0:
                raise ValueError(f"{name} is {value}; it is at least 0")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; it is at least 0 and below 1")
        defaults = {"lr": lr, "momentum": momentum, "eta": eta, "weight_decay": weight_decay, "adapted": adapted}
        if rate_inside:  # else it is no key, as in states of early versions
            defaults["rate_inside"] = True
        super().__init__(params, {**defaults, **more})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._update(weights, group)
        return loss

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        updates, momenta, rate = self._updates(weights, group), [self._momentum(w) for w in weights], group["lr"]
        found: Tensor | None = getattr(self, "found_inf", None)
        before = [] if found is None else [m.clone() for m in momenta]
        if group.get("rate_inside"):
            updates, rate = list(torch._foreach_mul(updates, rate)), 1.0
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, updates)
        if found is not None:
            for momentum, old in zip(momenta, before, strict=True):
                momentum.copy_(torch.where(found > 0, old, momentum))
            rate = torch.where(found > 0, 0.0, rate)
        if isinstance(rate, Tensor):
            torch._foreach_sub_(weights, torch._foreach_mul(momenta, rate))
        else:
            torch._foreach_add_(weights, momenta, alpha=-rate)

    def _updates(self, weights: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """What joins the momenta: gradients, unscaled, decayed, adapted."""
        gradients = self._gradients(weights)
        decay, updates = group["weight_decay"], gradients
        if group["adapted"] or decay != 0:
            updates = list(torch._foreach_add(gradients, weights, alpha=decay))  # gradients are not ours to write
        if group["adapted"]:
            torch._foreach_mul_(updates, _trust(weights, updates, group["eta"]))
        return updates

    def _gradients(self, weights: list[Tensor]) -> list[Tensor]:
        """Of each weight, unscaled; they are not ours to write."""
        gradients = [w.grad for w in weights if w.grad is not None]
        scale: Tensor | None = getattr(self, "grad_scale", None)
        return gradients if scale is None else list(torch._foreach_div(gradients, scale))

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        momentum: Tensor = state["momentum_buffer"]
        return momentum


def _trust(weights: list[Tensor], updates: list[Tensor], eta: float) -> list[Tensor]:
    """eta ||w|| / ||u|| for each pair, 1 where either norm is 0; worked out for all of them at once."""
    w = torch.stack(list(torch._foreach_norm(weights)))
    u = torch.stack(list(torch._foreach_norm(updates)))
    nonzero = (w > 0) & (u > 0)
    return list(torch.where(nonzero, eta * w / torch.where(nonzero, u, 1), 1).unbind())
