"""The optimizer of a graph: its parameters in groups by node factor, schedule and weight decay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..errors import RunError
from ..graph import spec
from ..schedule import Schedule
from .distributed import is_parted
from .larc import LARC
from .lars import LARS
from .layers import layer_scales

__all__ = ["build_optimizer", "construct", "is_regularised", "unrecordable"]

Groups = list[dict[str, Any]]

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
# A vision transformer's class, register and mask tokens, and its position embeddings.
EMBEDDINGS = re.compile(r"(^|_)tokens?$|(^|_)pos(_|$)|position")


@dataclass(frozen=True)
class _Kind:
    """What the parameters of one group have in common."""

    factor: float | Schedule[float]
    follows: bool
    weight_decay: float | Schedule[float]
    regularised: bool
    scale: float = 1.0  # of the layer


def build_optimizer(
    root: nn.Module, train: spec.Train, device: torch.device, *, recorded: bool = False,
    given: Callable[[nn.Parameter], nn.Parameter] = lambda parameter: parameter,
) -> Optimizer:  # fmt: skip
    """The optimizer that `train.optimizer` names, over the trainable parameters of `root`, each once.

    root: the children are the graph's nodes by name. recorded: for a step that is recorded, which reads each group's
    rate from a 0-d tensor. given: what the optimizer gets for a parameter. A parameter that two nodes share belongs to
    the first of them.
    Every group has, beside the optimizer's own keys, `factor` (the node's factor on the learning rate, now), `follows`
    (False for `schedule: constant`) and `nodes` (names); where layers have rates of their own, `scale`, and where the
    decay is scheduled, `decays`. Biases, normalisation, class tokens and position embeddings get no weight decay
    (unless `decay: all`) and no LARS adaptation. Raises RunError where nothing is trainable.
    """
    groups: dict[_Kind, dict[str, Any]] = {}
    scales = layer_scales(root, train)
    for node, name, module, parameter in _trainable(root):
        kind = _kind(train, node, is_regularised(module, name, parameter), scales.get(parameter, 1.0))
        group = groups.setdefault(kind, {"params": [], "nodes": []})
        group["params"].append(given(parameter))
        if node not in group["nodes"]:
            group["nodes"].append(node)
    if not groups:
        raise RunError("there is nothing to train: no node of the graph has a parameter that takes a gradient")
    keyed = [{**group, **_keys(kind, train, device if recorded else None)} for kind, group in groups.items()]
    return construct(train.optimizer, keyed, device, recorded)


def unrecordable(train: spec.Train) -> str | None:
    """Why a step with this optimizer cannot be recorded; None where it can."""
    decays = [train.optimizer.weight_decay, *(own.weight_decay for own in train.nodes.values())]
    if any(isinstance(decay, Schedule) for decay in decays):
        return "the weight decay is scheduled, and optimizers read it as a number"
    return None if train.optimizer.recordable else f"{train.optimizer.use}'s optimizers read the rate as a number"


def is_regularised(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay and LARS adaptation apply to the parameter `module.<name>`."""
    if isinstance(module, NORMS) or parameter.ndim <= 1:
        return False
    return name.rpartition(".")[2] != "bias" and not EMBEDDINGS.search(name)


def _trainable(root: nn.Module) -> Iterator[tuple[str, str, nn.Module, nn.Parameter]]:
    """Node, name within the node's module, module and parameter; each parameter once, in the order of the nodes."""
    seen: set[nn.Parameter] = set()
    for path, module in root.named_modules():
        node, _, inner = path.partition(".")
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                # An nn.Embedding is called after what it embeds; its parameter is just `weight`.
                owner = inner.rpartition(".")[2] if isinstance(module, nn.Embedding) else ""
                yield node, f"{owner}.{name}" if owner else name, module, parameter


def _kind(train: spec.Train, node: str, regularised: bool, scale: float) -> _Kind:
    own = train.nodes.get(node, spec.PerNode())
    decay = train.optimizer.weight_decay if own.weight_decay is None else own.weight_decay
    decayed = regularised or getattr(train.optimizer, "decay", "weights") == "all"
    return _Kind(own.lr, own.schedule == "follow", decay if decayed else 0.0, regularised, scale)


def _keys(kind: _Kind, train: spec.Train, rates_on: torch.device | None) -> dict[str, Any]:
    factor = kind.factor.start if isinstance(kind.factor, Schedule) else kind.factor
    rate = train.optimizer.lr * factor * kind.scale
    decay = kind.weight_decay
    keys = {
        "lr": rate if rates_on is None else torch.tensor(rate, device=rates_on),
        "weight_decay": float(decay.start) if isinstance(decay, Schedule) else decay,
        "factor": factor,
        "follows": kind.follows,
        **({"scale": kind.scale} if kind.scale != 1 else {}),
        **({"decays": True} if isinstance(decay, Schedule) else {}),
    }
    return {**keys, "adapted": kind.regularised} if train.optimizer.adapts else keys


# -- one function for each kind of config ---------------------------------------------------------------------------


@singledispatch
def construct(config: spec.Optimizer, groups: Groups, device: torch.device, recorded: bool) -> Optimizer:
    """The optimizer of a config, over groups of parameters on `device`; the config's class says which.

    recorded: for a step that is recorded, as in `build_optimizer`.
    """
    raise TypeError(f"no function is registered for {type(config).__name__}")


@construct.register
def _sgd(config: spec.Sgd, groups: Groups, device: torch.device, _recorded: bool) -> Optimizer:
    fused = _is_fused(device) and not _in_parts(groups)
    sgd = SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused)
    return _with_momentum(sgd) if config.momentum else sgd


@construct.register(spec.AdamW)
@construct.register(spec.Adam)
def _adam(config: spec.AdamW | spec.Adam, groups: Groups, device: torch.device, recorded: bool) -> Optimizer:
    fused, capturable = _is_fused(device) and not _in_parts(groups), recorded and device.type == "cuda"
    kind = AdamW if isinstance(config, spec.AdamW) else Adam
    first, second = config.betas
    adam = kind(groups, lr=config.lr, betas=(first, second), eps=config.eps, fused=fused, capturable=capturable)
    adam._warned_capturable_if_run_uncaptured = True  # it warms up, that is why
    return adam


@construct.register
def _lars(config: spec.Lars, groups: Groups, _device: torch.device, _recorded: bool) -> Optimizer:
    inside = config.rate == "inside"
    return LARS(groups, lr=config.lr, momentum=config.momentum, eta=config.eta, rate_inside=inside)


@construct.register
def _larc(config: spec.Larc, groups: Groups, _device: torch.device, _recorded: bool) -> Optimizer:
    return LARC(groups, config.lr, config.momentum, config.eta, eps=config.eps, clip=config.clip)


@construct.register
def _timm(config: spec.Timm, groups: Groups, _device: torch.device, _recorded: bool) -> Optimizer:
    from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

    optimizer: Optimizer = create_optimizer_v2(groups, opt=config.name, lr=config.lr, **config.options)
    return optimizer


def _is_fused(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")


def _in_parts(groups: Groups) -> bool:
    """Whether the parameters are those of all processes, for which torch has no fused optimizer."""
    return any(is_parted(parameter) for group in groups for parameter in group["params"])


def _with_momentum(optimizer: SGD) -> SGD:
    """Momentum that starts at 0, which is what SGD's first step makes of none.

    Where a gradient scaler skips that first step, fused SGD would go on with a momentum that nobody has written.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
