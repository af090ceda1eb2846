"""Where views are cut of whole pictures: of each as it is decoded, in bytes, or of the batch in the step.

    python benchmarks/crops.py [--size 224] [--height 375 --width 500] [--batch 16]

Both make the two views of `augment.simclr`, all operations included. In the step the pictures of a batch have one size,
as here; pictures of sizes of their own would be padded to the largest, or go one by one. The last row is what decoding
costs before either. Images/s of one process; the ratio is to the cut in the step.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from common import arguments, interleave, machine, positive, publish, ratios, table
from PIL import Image

from graphssl.component import DataFacts, Sizes, build, find
from graphssl.data.decode import decode

CPU = torch.device("cpu")
MEAN, STD = (0.5,) * 3, (0.25,) * 3


def node(size: int, height: int, width: int) -> Any:
    """`augment.simclr` for pictures of this size."""
    facts = DataFacts(3, height, width, 1000, 1, MEAN, STD)
    return build(find("augment.simclr"), sizes=Sizes({"h": height, "w": width}, facts), size=size)


def ways(size: int, pictures: torch.Tensor) -> dict[str, Callable[[], object]]:
    """By name, what makes the views of a batch."""
    augment = node(size, *pictures.shape[2:])
    b, count = len(pictures), iter(range(10**9))

    def draws() -> Any:
        return augment.draw(b, torch.Generator().manual_seed(next(count)), CPU)

    def as_decoded() -> None:
        uniform = [torch.rand(b, cut.views, cut.numbers) for cut in augment.cuts]
        made = tuple(
            torch.stack([cut(picture, own) for picture, own in zip(pictures, numbers, strict=True)], 1).flatten(0, 1)
            for cut, numbers in zip(augment.cuts, uniform, strict=True)
        )
        augment(made, draws=draws())

    coded = [_jpeg(picture) for picture in pictures]
    return {
        "as each is decoded, in bytes": as_decoded,
        "in the step, in floats": lambda: augment(pictures, draws=draws()),
        "decoding alone": lambda: [decode(file) for file in coded],
    }


def _jpeg(picture: torch.Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90)
    return file.getvalue()


def smooth(b: int, height: int, width: int) -> torch.Tensor:
    """Noise of an eighth of the size, enlarged: about as many bytes as a photograph has."""
    coarse = torch.rand(b, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * fine).byte()


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--size", type=positive, default=224)
    parser.add_argument("--height", type=positive, default=375)
    parser.add_argument("--width", type=positive, default=500)
    parser.add_argument("--batch", type=positive, default=16)
    parser.add_argument("--repeats", type=positive, default=11)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds = interleave(ways(options.size, smooth(options.batch, options.height, options.width)), options.repeats)
    step = seconds["in the step, in floats"]
    rows = [["views are cut", "images/s", "ratio", "range"]]
    for name, own in seconds.items():
        speed = options.batch / sorted(own)[len(own) // 2]
        rows.append([name, f"{speed:,.1f}", *(("", "") if own is step else ratios(own, step))])
    how = f"{options.height} x {options.width} to {options.size} px, two views, batch {options.batch}"
    publish(
        f"{machine()}\n{how}, {options.threads} thread(s), {options.repeats} turns\n\n{table(rows)}\n", options.output
    )


if __name__ == "__main__":
    main()
