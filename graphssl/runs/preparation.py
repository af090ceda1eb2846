"""What is done to a picture before an encoder sees it, in numbers, and as torchvision's transforms."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks.checked import Checked

__all__ = ["Preparation", "preparation"]


@dataclass(frozen=True)
class Preparation:
    """The shorter side scaled to `resize` px, the centre cut out, `crop`, height and width; values of 0 to 1 minus
    `mean`, over `std`. sizes: each scaling with what is cut out after it, one after the other."""

    sizes: tuple[tuple[int, tuple[int, int]], ...]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def crop(self) -> tuple[int, int]:
        return self.sizes[-1][1]

    def facts(self) -> dict[str, str]:
        """For a file's metadata."""
        sizes = ", ".join(f"resize {resize}, crop {height} x {width}" for resize, (height, width) in self.sizes)
        mean, std = (" ".join(map(str, values)) for values in (self.mean, self.std))
        return {"preprocessing": sizes, "channels": str(self.channels), "mean": mean, "std": std}

    def code(self) -> list[str]:
        """Python that makes `prepare`, of a picture of Pillow's: `c h w`, float32."""
        colour = {1: "v2.Grayscale(), ", 3: "v2.RGB(), "}.get(self.channels, "")
        sizes = "".join(f"v2.Resize({resize}), v2.CenterCrop({list(crop)}), " for resize, crop in self.sizes)
        return [
            "from torchvision.transforms import v2",
            "prepare = v2.Compose([",
            f"    v2.ToImage(), {colour}{sizes.rstrip()}",
            f"    v2.ToDtype(torch.float32, scale=True), v2.Normalize({list(self.mean)}, {list(self.std)}),",
            "])",
        ]


def preparation(checked: Checked, name: str) -> Preparation | None:
    """How pictures become what a node, or a value of the flow, takes; None where that takes no pictures."""
    taken = checked.image_size(name)
    if taken is None:
        return None
    facts = checked.data
    sizes = [(min(facts.height, facts.width), (facts.height, facts.width))]
    if taken != sizes[0][1]:
        sizes.append((max(taken), taken))
    return Preparation(tuple(sizes), facts.channels, tuple(facts.mean), tuple(facts.std))
