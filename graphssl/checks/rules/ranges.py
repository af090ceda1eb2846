"""Values outside of what was published: the temperature of a cosine, the momentum of a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import Problems
from ...schedule import Schedule
from .facts import Facts, extremes
from .rule import rule

Unpublished = Callable[[Sequence[float]], list[float]]  # of the ends between which a value moves, those that nobody had


@rule("G303", "a temperature outside of what was published", "warning")
def temperature_in_range(facts: Facts, found: Problems) -> None:
    """Temperatures on cosines lie between 0.01 and 1 in the literature.

    MoCo and NPID 0.07, MoCo v2 0.2, SimCLR 0.1 to 0.5; SimCLR (Chen et al. 2020, arXiv:2002.05709, table 5) falls
    from 64.4 percent at 0.1 to 60.7 at 0.5 and 58.0 at 1. A very small one makes every sample its own class, a very
    large one makes all scores alike.
    """

    def unpublished(ends: Sequence[float]) -> list[float]:
        return [t for t in ends if not 0.01 <= t <= 1]

    _note_outside(facts, found, "cosine", "temperature", unpublished, "0.01 to 1 is usual: 0.07, 0.1, 0.2, 0.5")


@rule("G404", "a momentum outside of what was published", "warning")
def momentum_in_range(facts: Facts, found: Problems) -> None:
    """The momentum of a target is m in m * target + (1 - m) * online, 0.9 to 1 in the literature.

    MoCo (He et al. 2020, arXiv:1911.05722, section 4.1): 0 fails, 0.9 55.2, 0.99 57.8, 0.999 59.0, 0.9999 58.9
    percent. BYOL (Grill et al. 2020, arXiv:2006.07733, table 5a): 0.9 68.4, 0.99 72.5, 0.999 69.8, 1 (a random
    target) 18.8 percent. Some notes write it the other way round.
    """

    def unpublished(ends: Sequence[float]) -> list[float]:
        return [m for m in ends if m < 0.9] or [m for m in ends[:1] if m == 1]

    _note_outside(facts, found, "average", "momentum", unpublished, "0.99 or 0.996 is usual: most of the target stays")


def _note_outside(
    facts: Facts,
    found: Problems,
    trait: str,
    key: str,
    unpublished: Callable[[Sequence[float]], list[float]],
    hint: str,
) -> None:
    """Notes each node with a trait whose value, of which the trait says what it means, was published by nobody.

    unpublished: of the ends between which the value moves those that nobody did.
    """
    for node in facts.with_trait(trait):
        value = getattr(node.config, key, None)
        if isinstance(value, float | int | Schedule) and (wrong := unpublished(extremes(value))):
            found.add(f"the {key} of '{node.name}' is {wrong[0]:g}", facts.at("nodes", node.name, key), hint)
