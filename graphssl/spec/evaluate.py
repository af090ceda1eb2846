"""The section `evaluate:`: which evaluations judge a run, and what each takes."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from .section import Section


class Knn(Section):
    """Weighted kNN on the held-out split (Wu et al. 2018, section 3.4): votes weigh exp(cosine / temperature).

    every: epochs between two evaluations; the untrained and the trained encoder are always evaluated.
    """

    k: PositiveInt = 20
    temperature: PositiveFloat = 0.07
    every: PositiveInt = 5


class Linear(Section):
    """Logistic regression on frozen features, judged on the held-out split, before training and after it.

    penalty: times half the squared length of the weights, on standardised features. iterations: of L-BFGS, at most.
    """

    penalty: NonNegativeFloat = 1e-3
    iterations: PositiveInt = 200


class Monitor(Section):
    """Collapse monitors on what critics, or objectives themselves, compare. `every`: epochs between two readings."""

    every: PositiveInt = 1


class Evaluate(Section):
    """`evaluate:` — how it is judged. features: the node, or the value of the flow, that is judged on plain images."""

    features: str | None = None
    knn: Knn | None = Knn()
    linear: Linear | None = None
    monitor: Monitor | None = Monitor()
