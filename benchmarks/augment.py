"""How fast views are made, batched, against the transforms of lightly, torchvision and kornia.

    python benchmarks/augment.py [--size 32|224] [--image H W] [--compile] [--output FILE]

At 32 px it is SimCLR's recipe for CIFAR (strength 0.5, no blur), at 224 px BYOL's for ImageNet with blur and
solarisation, from pictures of 256 x 256 unless `--image` says otherwise. All make the same kind of views from the same
decoded pictures, in turn in one process; a sample is one view of one picture. kornia and lightly take part where they
are installed. kornia crops without antialiasing and draws one order of the jitter for a batch; lightly blurs with
boxes. The last line is the largest difference, where white is 1, to torchvision's functional transforms on float
tensors with the same parameters.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from common import arguments, interleave, machine, publish, table
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from graphssl.component import DataFacts, Sizes, build, find

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP = (0.08, 1.0)
Run = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """A recipe. blur, solarize: probabilities for each of the two views."""

    node: str
    size: int
    amounts: tuple[float, float, float, float]
    blur: tuple[float, float] = (0.0, 0.0)
    solarize: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        return {"augment.simclr": "SimCLR", "augment.byol": "BYOL"}[self.node]

    @property
    def taps(self) -> int:
        return 2 * (self.size // 20) + 1


SETTINGS = {
    32: Setting("augment.simclr", 32, (0.4, 0.4, 0.4, 0.1)),
    224: Setting("augment.byol", 224, (0.4, 0.4, 0.2, 0.1), (1.0, 0.1), (0.0, 0.2)),
}


# -- who takes part ------------------------------------------------------------------------------------------


def single(module: Any, setting: Setting, to_float: list[Any]) -> list[Any]:
    """torchvision's transforms of one picture, of its first or second version, one for each view."""
    return [module.Compose([*_steps(module, setting, view), *to_float, module.Normalize(MEAN, STD)]) for view in (0, 1)]


def _steps(module: Any, setting: Setting, view: int) -> list[Any]:
    steps = [
        module.RandomResizedCrop(setting.size, CROP, antialias=True),
        module.RandomHorizontalFlip(),
        module.RandomApply([module.ColorJitter(*setting.amounts)], 0.8),
        module.RandomGrayscale(0.2),
    ]
    if setting.blur[view]:
        steps.append(module.RandomApply([module.GaussianBlur(setting.taps, (0.1, 2.0))], setting.blur[view]))
    if setting.solarize[view]:
        steps.append(module.RandomSolarize(128, setting.solarize[view]))
    return steps


def one_by_one(transforms: list[Any], pictures: list[Any]) -> Run:
    return lambda: torch.stack([transform(picture) for picture in pictures for transform in transforms])


def lightly(setting: Setting, pictures: list[Any]) -> Run | None:
    """Its documented transform of the recipe."""
    if importlib.util.find_spec("lightly") is None:
        return None
    transforms = importlib.import_module("lightly.transforms")
    common = {"input_size": setting.size, "normalize": {"mean": list(MEAN), "std": list(STD)}}
    if setting.name == "SimCLR":
        transform = transforms.SimCLRTransform(cj_strength=0.5, gaussian_blur=0.0, **common)
    else:
        byol = importlib.import_module("lightly.transforms.byol_transform")
        transform = byol.BYOLTransform(byol.BYOLView1Transform(**common), byol.BYOLView2Transform(**common))
    return lambda: torch.stack([view for picture in pictures for view in transform(picture)])


def kornia(setting: Setting, image: Tensor) -> Run | None:
    if importlib.util.find_spec("kornia") is None:
        return None
    k = importlib.import_module("kornia.augmentation")
    transforms = []
    for blur, solarize in zip(setting.blur, setting.solarize, strict=True):
        steps = [
            k.RandomResizedCrop((setting.size, setting.size), CROP),
            k.RandomHorizontalFlip(),
            k.ColorJitter(*setting.amounts, p=0.8),
            k.RandomGrayscale(p=0.2),
        ]
        if blur:
            steps.append(k.RandomGaussianBlur((setting.taps,) * 2, (0.1, 2.0), p=blur))
        if solarize:
            steps.append(k.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=solarize))
        transforms.append(torch.nn.Sequential(*steps, k.Normalize(torch.tensor(MEAN), torch.tensor(STD))))
    return lambda: [transform(image / 255) for transform in transforms]


def ours(setting: Setting, image: Tensor) -> Any:
    h, w = image.shape[2:]
    sizes = Sizes({"h": h, "w": w}, DataFacts(height=h, width=w, mean=MEAN, std=STD))
    config: dict[str, Any] = {"size": setting.size, "blur": setting.blur, "solarize": setting.solarize}
    config |= zip(("brightness", "contrast", "saturation", "hue"), setting.amounts, strict=True)
    return build(find(setting.node), None, sizes, **config)


def batched(node: Any, image: Tensor, forward: Any) -> Run:
    generator = torch.Generator().manual_seed(0)
    return lambda: forward(image, draws=node.draw(len(image), generator, image.device))


# -- what is measured ----------------------------------------------------------------------------------------


def functions(setting: Setting, image: Tensor, few: int, compiled: bool) -> dict[str, tuple[Run, int]]:
    """For each way of making views, a call and the number of samples that it makes."""
    tensors = list(image[:few])
    pictures = [Image.fromarray(t.permute(1, 2, 0).numpy()) for t in tensors]
    node = ours(setting, image)
    on_tensors = single(v2, setting, [v2.ToDtype(torch.float32, scale=True)])
    ways: dict[str, tuple[Run | None, int]] = {
        "lightly": (lightly(setting, pictures), few),
        "torchvision v1, PIL": (one_by_one(single(v1, setting, [v1.ToTensor()]), pictures), few),
        "torchvision v2, uint8 tensors": (one_by_one(on_tensors, tensors), few),
        "kornia, batched": (kornia(setting, image), len(image)),
        "graphssl": (batched(node, image, node), len(image)),
    }
    if compiled:
        forward = torch.compile(node, fullgraph=True, dynamic=False)
        ways["graphssl, compiled"] = (batched(node, image, forward), len(image))
    return {name: (run, 2 * n) for name, (run, n) in ways.items() if run is not None}


def rows(ways: Mapping[str, tuple[Run, int]], repeats: int) -> list[list[str]]:
    """Samples/s of the median call, and the median of the ratios to the first way within each turn."""
    seconds = interleave({name: run for name, (run, _) in ways.items()}, repeats)
    speed = {name: [n / s for s in seconds[name]] for name, (_, n) in ways.items()}
    first = next(iter(speed.values()))
    made = [["", "samples/s", "ratio", "range"]]
    for name, own in speed.items():
        ratios = [a / b for a, b in zip(own, first, strict=True)]
        span = f"{min(ratios):.1f} - {max(ratios):.1f}"
        made.append([name, f"{statistics.median(own):,.0f}", f"{statistics.median(ratios):.1f}", span])
    return made


def difference(setting: Setting, image: Tensor) -> float:
    """The largest difference to torchvision, over all views, images and channels."""
    node, b = ours(setting, image), len(image)
    draws = node.draw(b, torch.Generator().manual_seed(1), image.device)
    expected = [functional(image[i % b], own, i, setting) for own in draws for i in range(len(own.flip))]
    views = torch.cat(node(image, draws=draws))
    made = views * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    return (made - torch.stack(expected)).abs().max().item()


def functional(picture: Tensor, drawn: Any, i: int, setting: Setting) -> Tensor:
    """torchvision's functional transforms with the parameters of row i."""
    rectangle = [int(entry[i]) for entry in drawn.box]
    (slots, turns), (grey,), (blur, sigma), (bright,) = drawn.drawn
    x = tv.resized_crop(picture / 255, *rectangle, [setting.size] * 2, antialias=True)
    x = tv.horizontal_flip(x) if drawn.flip[i] else x
    for place, changes in enumerate(slots[i].tolist()):
        x = tv.adjust_hue(x, turns[i].item()) if place == 3 else x
        for operation, change in zip(
            (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation), changes, strict=True
        ):
            x = operation(x, 1 + change) if change else x
    x = tv.rgb_to_grayscale(x, 3) if grey[i] else x
    x = tv.gaussian_blur(x, [setting.taps] * 2, [sigma[i].item()] * 2) if blur[i] else x
    return tv.solarize(x, 0.5) if bright[i] else x


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--size", type=int, choices=sorted(SETTINGS), default=32)
    parser.add_argument("--image", type=int, nargs=2, metavar=("H", "W"), help="size of the pictures")
    parser.add_argument("--batch", type=int, help="pictures in a batch; 256 at 32 px, 16 at 224 px")
    parser.add_argument("--few", type=int, help="pictures for what works one by one; 64 at 32 px, 8 at 224 px")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--compile", action="store_true", help="measure the compiled node too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    small = options.size == 32
    h, w = options.image or ((32, 32) if small else (256, 256))
    batch, few = options.batch or (256 if small else 16), options.few or (64 if small else 8)
    setting = SETTINGS[options.size]
    image = torch.randint(0, 256, (batch, 3, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = rows(functions(setting, image, few, options.compile), options.repeats)
    blur, solarize = ("{:g} and {:g}".format(*p) for p in (setting.blur, setting.solarize))
    recipe = f"jitter {setting.amounts}, blur {blur}, solarise {solarize}"
    head = f"{setting.name} at {setting.size} px from {h} x {w}: {recipe}"
    how = f"{batch} pictures, 2 views each, {options.threads} thread(s), {options.repeats} turns after one warm-up"
    last = f"largest difference to torchvision with equal parameters: {difference(setting, image[:few]):.1e}"
    publish(f"{machine()}\n{head}\n{how}\n\n{table(found)}\n\n{last}\n", options.output)


if __name__ == "__main__":
    main()
