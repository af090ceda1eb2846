"""Who judges a run's networks: while it is trained, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from ..checks.checked import Checked
from ..data import Datasets
from ..evaluation.cache import FeatureCache, digest_of
from ..evaluation.context import Context
from ..evaluation.judge import Judge, build_evaluations
from ..evaluation.labels import parse
from ..evaluation.online import OnlineProbe, unlike
from ..evaluation.probe import Probe
from ..evaluation.registry import Evaluation
from ..graph.spec import Data
from ..program.program import Program
from .folder import RunFolder
from .lacking import able

__all__ = ["judge_in_run", "judge_of", "probe_of", "unmeasured"]


def judge_of(
    checked: Checked, program: Program, data: Datasets, evaluations: Mapping[str, Evaluation], device: torch.device, *,
    otherwise: Mapping[str, Mapping[str, Any]] | None = None, on: str | None = None, section: Data | None = None,
    plain: str | None = None,
) -> Judge:  # fmt: skip
    """Of all that the graph judges. otherwise, on, plain: see `Judge`. section: of the data, for weights that stay:
    then features are kept on the disk."""
    spec = checked.graph.spec
    views = (n.name for n in checked.graph.nodes.values() if "view" in n.component.traits)
    augment = next((program.node(name) for name in views), None)
    identity = None if section is None else data.identity(section)  # files are looked at for it
    contexts = []
    for name in checked.judged:
        network, size = program.features(name), checked.image_size(name)
        context = Context(
            network, data, checked.data, size, spec.data.batch, device, name=name, seed=spec.train.seed,
            augment=augment, section=spec.data,
        )  # fmt: skip
        if identity is not None:
            context = replace(context, cache=_cache(network, checked, device, identity))
        contexts.append(context if on is None or section is None else context.on(data, section))
    return Judge(evaluations, contexts[0], tuple(contexts[1:]), otherwise or {}, on, plain=plain)


def _cache(network: nn.Module, checked: Checked, device: torch.device, identity: Mapping[str, Any]) -> FeatureCache:
    facts, data = checked.data, checked.graph.spec.data
    return FeatureCache.of(
        {
            "network": digest_of(network), "graph": checked.graph.hash(), "computed": f"fp32 on {device.type}",
            "torch": torch.__version__, "graphssl": version("graphssl"), "batch": data.batch, "mean": facts.mean,
            "std": facts.std, "data": dict(identity),
        }
    )  # fmt: skip


def judge_in_run(
    checked: Checked, program: Program, data: Datasets, device: torch.device, told: Callable[[str], None]
) -> Judge | None:
    """By the evaluations that the data allow; None where nothing is judged. told: of one that fails, see `Judge`."""
    evaluations = build_evaluations(checked.graph.spec.evaluate.asked)
    if not (checked.judged and evaluations):
        return None
    evaluations = able(evaluations, checked, data)
    return replace(judge_of(checked, program, data, evaluations, device), told=told) if evaluations else None


def unmeasured(judge: Judge | None, folder: RunFolder) -> Iterator[str]:
    """What to say at the end of a run of evaluations that have failed."""
    for label in judge.failures if judge is not None else ():
        again = f"graphssl evaluate {folder.called} --protocol {parse(label).evaluation}"
        yield f"{label} has not been measured at the end: `{again}` tries again"


def probe_of(
    judge: Judge | None, data: Datasets, device: torch.device, state: Mapping[str, Any], report: Callable[[str], None]
) -> OnlineProbe | None:
    """The classifier that learns beside a run, as far as a checkpoint has it; None where the graph asks for none."""
    if judge is None or not isinstance(probe := judge.evaluations.get("probe"), Probe):
        return None
    if not data.labelled:
        report("the online probe learns nothing: no training picture has a label")
    of, names = judge.context.name, data.classes
    probe.online = OnlineProbe(probe.config.lr, probe.config.momentum, len(names), device, of, names)
    if why := unlike(state, of, names):
        report(f"the online probe begins anew: {why}")
    else:
        probe.online.load(state)
    return probe.online
