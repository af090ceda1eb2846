"""The whole loop, images in and weights out, against lightly's documented one.

    python benchmarks/peers.py [--method byol simclr moco_v2] [--encoder resnet18] [--size 32|224] [--images FOLDER]

Both sides train the same encoder on the same pictures, with the same batch, optimizer, heads and number of threads,
an epoch of `--batches` batches in turn. Ours is what `graphssl run` does: data, augmentation, step, updates. lightly's
is the loop of its examples: its transforms, dataset, modules, losses and `update_momentum`, and a DataLoader. The
rows `files` decode each picture anew in each epoch, the rows `memory` have them decoded before (ours on the GPU, where
there is one); ratios are within a turn and a kind of row. Where lightly is not installed our rows are alone. solo-learn
takes no part: its pinned requirements do not install beside a current torch.

Without `--images`, JPEGs of smooth noise are written to a folder that goes away: at 32 px of 32 x 32, at 224 px of
500 x 375. Both sides cut views from the whole picture. Differences that remain: lightly passes the two views of SimCLR
through the encoder one by one, ours joined; ours keeps weights and images channels-last and has a fused optimizer, as
`train:` does by itself; `--compile` compiles lightly's encoders, and our whole forward pass, which on a GPU is also
recorded as one CUDA graph. lightly's examples make views in 8 workers. With `--workers 0` both sides do all in one
process, which compares what a core does, and not what a machine with idle cores can; with workers, take so many
`--batches` that the wait for an epoch's first does not count.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import importlib.util
import itertools
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import arguments, interleave, machine, positive, publish, ratios, table, wait
from loops import Training
from methods import DECAY, ENCODERS, METHODS, MOMENTUM, QUEUE, RATE, Setting
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from graphssl.data import open_data
from graphssl.data.folder import SUFFIXES
from graphssl.train.precision import resolve

SOURCES = ("memory", "files")
Run = Callable[[], object]


# -- pictures ------------------------------------------------------------------------------------------------


def pictures(images: Path | None, size: int, n: int, folder: Path) -> None:
    """Puts n training pictures, and one that is held out, under `folder`; those of `images` spread over it."""
    train, test = folder / "train" / "0", folder / "test" / "0"
    train.mkdir(parents=True)
    test.mkdir(parents=True)
    if images is None:
        for i in range(n):
            _smooth(i, (32, 32) if size < 96 else (375, 500)).save(train / f"{i:06d}.jpg", quality=90)
    else:
        found = sorted(p for p in images.rglob("*") if p.suffix.lower() in SUFFIXES)
        if len(found) < n:
            raise SystemExit(
                f"{images} has {len(found)} pictures and {n} are needed: fewer --batches, a smaller --batch"
            )
        for i in range(n):
            source = found[i * len(found) // n]
            shutil.copy(source, train / f"{i:06d}{source.suffix}")
    shutil.copy(next(train.iterdir()), test)


def _smooth(seed: int, size: tuple[int, int]) -> Image.Image:
    """Noise of an eighth of the size, enlarged: about as many bytes as a photograph has."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, *(side // 8 for side in size), generator=generator)
    fine = nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)[0]
    return Image.fromarray((255 * fine).byte().permute(1, 2, 0).numpy())


# -- both sides ----------------------------------------------------------------------------------------------


def ours(setting: Setting, folder: Path, source: str, options: argparse.Namespace, device: torch.device) -> Run:
    resident = {"memory": "auto", "files": "workers"}[source]
    compiled, recorded = ("on", "auto") if options.compile else ("off", "off")
    checked = setting.checked(
        f"data={{use: image_folder, root: {folder}, batch: {setting.batch}, size: {setting.size}}}",
        f"data.resident={resident}", f"data.workers={options.workers}",
        f"train.compile={compiled}", f"train.cuda_graph={recorded}",
    )  # fmt: skip
    return Training(checked, open_data(checked.graph.spec.data, device, 0), device)


class Lightly:
    """lightly's examples of the three methods, an epoch at each call."""

    def __init__(
        self, setting: Setting, folder: Path, source: str, options: argparse.Namespace, device: torch.device
    ) -> None:
        part = importlib.import_module
        self.method, self.device, self.precision = setting.method, device, resolve(setting.precision, device)
        self.utils: Any = part("lightly.models.utils")
        dataset = part("lightly.data").LightlyDataset(str(folder / "train"), transform=transform(setting))
        self.loader: Any = DataLoader(
            dataset if source == "files" else Decoded(dataset), setting.batch,
            shuffle=True, drop_last=True, num_workers=options.workers, persistent_workers=options.workers > 0,
        )  # fmt: skip
        heads, head = part("lightly.models.modules"), setting.head
        kind = {"byol": "BYOL", "simclr": "SimCLR", "moco_v2": "MoCo"}[setting.method]
        projection = getattr(heads, f"{kind}ProjectionHead")(setting.features, head.hidden, head.out)
        self.parts = [setting.network().to(device), projection.to(device)]
        self.slow: list[Any] = [copy.deepcopy(p) for p in self.parts] if setting.method != "simclr" else []
        for module in self.slow:
            self.utils.deactivate_requires_grad(module)
        self.prediction = heads.BYOLPredictionHead(head.out, head.hidden, head.out).to(device)
        self.criterion = criterion(setting).to(device)
        learned = [*self.parts, *([self.prediction] if setting.method == "byol" else [])]
        self.optimizer = torch.optim.SGD(
            nn.ModuleList(learned).parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY
        )
        if options.compile:
            for module in (self.parts[0], *self.slow[:1]):
                module.compile()

    def __call__(self) -> None:
        total = torch.zeros((), device=self.device)
        for batch in self.loader:
            for fast, slow in zip(self.parts, self.slow, strict=False):
                self.utils.update_momentum(fast, slow, m=0.99)
            x0, x1 = (x.to(self.device) for x in batch[0])
            with self.precision.autocast():
                loss = self.loss(x0, x1)
            total += loss.detach()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        wait(self.device)

    def loss(self, x0: Tensor, x1: Tensor) -> Any:
        if self.method == "byol":
            p0, z0, p1, z1 = self.predicted(x0), self.target(x0), self.predicted(x1), self.target(x1)
            return 0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0))
        if self.method == "simclr":
            return self.criterion(self.embedded(x0), self.embedded(x1))
        return self.criterion(self.embedded(x0), self.target(x1))

    def embedded(self, x: Tensor) -> Any:
        encoder, projection = self.parts
        return projection(encoder(x).flatten(start_dim=1))

    def predicted(self, x: Tensor) -> Any:
        return self.prediction(self.embedded(x))

    def target(self, x: Tensor) -> Any:
        encoder, projection = self.slow
        return projection(encoder(x).flatten(start_dim=1)).detach()


def transform(setting: Setting) -> Any:
    """The transform of lightly's example; it has no blur at 32 px."""
    t = importlib.import_module("lightly.transforms")
    changes = {"input_size": setting.size, **({"gaussian_blur": 0.0} if setting.small_images else {})}
    if setting.method == "byol":
        first, second = t.byol_transform.BYOLView1Transform(**changes), t.byol_transform.BYOLView2Transform(**changes)
        return t.BYOLTransform(view_1_transform=first, view_2_transform=second)
    return {"simclr": t.SimCLRTransform, "moco_v2": t.MoCoV2Transform}[setting.method](**changes)


def criterion(setting: Setting) -> Any:
    loss = importlib.import_module("lightly.loss")
    made = {
        "byol": lambda: loss.NegativeCosineSimilarity(),
        "simclr": lambda: loss.NTXentLoss(),
        "moco_v2": lambda: loss.NTXentLoss(memory_bank_size=(QUEUE, setting.head.out)),
    }
    return made[setting.method]()


class Decoded(Dataset[Any]):
    """A lightly dataset whose pictures are in memory, as torchvision's CIFAR-10 is."""

    def __init__(self, dataset: Any) -> None:
        transform, dataset.transform = dataset.transform, None
        self.samples = [(sample.copy(), target, name) for sample, target, name in dataset]
        self.transform: Any = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Any:
        sample, target, name = self.samples[i]
        return self.transform(sample), target, name


# -- what is measured ----------------------------------------------------------------------------------------


def rows(setting: Setting, options: argparse.Namespace, folder: Path, device: torch.device) -> Iterator[list[str]]:
    sides: dict[str, Callable[..., Run]] = {"graphssl": ours}
    if importlib.util.find_spec("lightly"):
        sides["lightly"] = Lightly
    runs: dict[str, Run] = {
        f"{side}, {source}": build(setting, folder, source, options, device)
        for source, (side, build) in itertools.product(options.source, sides.items())
    }
    seconds = interleave(runs, options.repeats)
    for name, own in seconds.items():
        speed = options.batches * setting.batch / statistics.median(own)
        peer = seconds.get(name.replace("graphssl", "lightly"))
        found = ratios(own, peer) if peer is not None and name.startswith("graphssl") else ("", "")
        yield [f"{setting.method}: {name}", f"{speed:,.1f}", *found]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--encoder", choices=ENCODERS, default="resnet18")
    parser.add_argument("--size", type=int, choices=(32, 224), default=32)
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="pictures, in any folders below")
    parser.add_argument("--source", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--batches", type=positive, default=4, help="batches of an epoch")
    parser.add_argument("--workers", type=int, default=0, help="processes that read pictures, on both sides")
    parser.add_argument("--repeats", type=positive, default=5)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--compile", action="store_true", help="torch.compile both sides")
    options = parser.parse_args()
    if options.workers < 0:
        parser.error("argument --workers: it is below 0")
    torch.set_num_threads(options.threads)
    device = options.device
    found = [["", "images/s", "ratio", "range"]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures(options.images, options.size, options.batches * options.batch, folder)
        for method in options.method:
            setting = Setting(method, options.encoder, options.size, options.batch, options.precision)
            found += rows(setting, options, folder, device)
    how = f"{options.encoder}, {options.size} px, batch {options.batch}, {options.precision}"
    how += f", {'compiled' if options.compile else 'eager'}, {options.threads} thread(s), {options.workers} worker(s)"
    what = f"pictures: {options.images.name if options.images else 'smooth noise'}"
    turns = f"{options.repeats} turns of {options.batches} batches after one warm-up"
    publish(f"{machine()}\n{how}\n{what}; {turns}\n\n{table(found)}\n", options.output)


if __name__ == "__main__":
    main()
