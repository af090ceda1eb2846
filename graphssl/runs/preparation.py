"""What is done to a picture before an encoder sees it."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks.checked import Checked
from ..data.decoding.form import Form
from ..data.fit import Fit
from ..data.known import fit_of
from ..data.own.known import form_of

__all__ = ["Preparation", "preparation"]


@dataclass(frozen=True)
class Preparation:
    """Pictures of that form through `first`, to values of 0 to 1, through `then` where the encoder takes another size
    than the data set gives, minus `mean`, over `std`."""

    form: Form

    first: Fit
    then: Fit | None
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def sizes(self) -> str:
        """In words."""
        return ", then ".join(_words(fit) for fit in (self.first, self.then) if fit is not None)

    def facts(self) -> dict[str, str]:
        """For a file's metadata."""
        mean, std = (" ".join(map(str, values)) for values in (self.mean, self.std))
        return {"preprocessing": self.sizes(), "channels": str(self.channels), "mean": mean, "std": std}


def _words(fit: Fit) -> str:
    height, width = fit.covered
    how = f"the shorter side to {height} px" if fit.height == fit.width else f"to cover {height} x {width} px"
    return f"scaled (bilinear, antialiased), {how}; the centre {fit.height} x {fit.width} cut out"


def preparation(checked: Checked, name: str) -> Preparation | None:
    """How pictures become what a node, or a value of the flow, takes; None where that takes no pictures."""
    taken = checked.image_size(name)
    if taken is None:
        return None
    facts, data = checked.data, checked.graph.spec.data
    first = fit_of(data)
    then = None if (first.height, first.width) == taken else Fit(*taken)
    return Preparation(form_of(data), first, then, facts.channels, tuple(facts.mean), tuple(facts.std))
