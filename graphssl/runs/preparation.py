"""What is done to a picture before an encoder sees it, in words, and as torchvision's transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..checks.checked import Checked
from ..data.fit import Fit
from ..data.known import fit_of

__all__ = ["Preparation", "preparation"]

COVER = [
    "def cover(x, height, width):  # scaled until it just covers that",
    "    h, w = x.shape[-2:]",
    "    wide = [height, max(w * height // h, width)]",
    "    return v2.functional.resize(x, wide if w * height >= h * width else [max(h * width // w, height), width])",
]


@dataclass(frozen=True)
class Preparation:
    """Pictures of bytes through `first`, to values of 0 to 1, through `then` where the encoder takes another size than
    the data set gives, minus `mean`, over `std`."""

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

    def code(self) -> list[str]:
        """Python that makes `prepare`, of a picture of Pillow's: `c h w`, float32."""
        colour = {1: ["v2.Grayscale()"], 3: ["v2.RGB()"]}.get(self.channels, [])
        first, then = (_transforms(fit) for fit in (self.first, self.then))
        lines = [["v2.ToImage()", *colour, *first], ["v2.ToDtype(torch.float32, scale=True)", *then,
                 f"v2.Normalize({_list(self.mean)}, {_list(self.std)})"]]  # fmt: skip
        covers = any(fit is not None and fit.height != fit.width for fit in (self.first, self.then))
        steps = [f"    {', '.join(line)}," for line in lines]
        return [
            "from torchvision.transforms import v2",
            *(COVER if covers else []),
            "prepare = v2.Compose([",
            *steps,
            "])",
        ]


def _list(values: Sequence[float]) -> str:
    return f"[{', '.join(map(repr, values))}]"


def _words(fit: Fit) -> str:
    height, width = fit.covered
    how = f"the shorter side to {height} px" if fit.height == fit.width else f"to cover {height} x {width} px"
    return f"scaled (bilinear, antialiased), {how}; the centre {fit.height} x {fit.width} cut out"


def _transforms(fit: Fit | None) -> list[str]:
    if fit is None:
        return []
    height, width = fit.covered
    square = fit.height == fit.width
    scaled = f"v2.Resize({height})" if square else f"v2.Lambda(lambda x: cover(x, {height}, {width}))"
    return [scaled, f"v2.CenterCrop([{fit.height}, {fit.width}])"]


def preparation(checked: Checked, name: str) -> Preparation | None:
    """How pictures become what a node, or a value of the flow, takes; None where that takes no pictures."""
    taken = checked.image_size(name)
    if taken is None:
        return None
    facts, first = checked.data, fit_of(checked.graph.spec.data)
    then = None if (first.height, first.width) == taken else Fit(*taken)
    return Preparation(first, then, facts.channels, tuple(facts.mean), tuple(facts.std))
