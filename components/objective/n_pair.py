"""The N-pair loss, which is InfoNCE under an older name."""

from __future__ import annotations

from typing import ClassVar

from graphssl.component import NodeConfig, component

from .infonce import InfoNCE

__all__ = ["NPair"]


@component("objective.n_pair", traits=("mean",))
class NPair(InfoNCE):
    """log(1 + sum exp(T- - T+)), the mean over the positives; in nats.

    The multi-class N-pair loss (Sohn 2016, Improved deep metric learning with multi-class N-pair loss objective,
    NeurIPS, section 3), with `critic.dot` and in-batch negatives. The same number as `objective.infonce`, computed
    by it. The paper adds an l2 penalty of the embeddings, because dot products can grow with their length: a term
    of its own, `objective.norm`.
    """

    class Config(NodeConfig):
        pass

    title: ClassVar[str] = "the N-pair loss"
