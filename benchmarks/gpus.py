"""How many GPUs of 80 GB each imagenet recipe needs, as `graphssl check --processes N` forecasts what each has to hold.

    python benchmarks/gpus.py [--write] [imagenet/byol ...]

N is the smallest power of two that parts the batch and whose forecast, in bf16 where the recipe leaves the precision
to the device, is at most nine tenths of 80 GB: the rest is for the CUDA context, the libraries' workspaces and what the
allocator cannot fill. Nothing is computed, and no GPU is needed. --write puts the line into each recipe's header.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from graphssl.checks.checked import Checked, validated
from graphssl.checks.inference import infer
from graphssl.errors import GraphError
from graphssl.graph.language.packaged import packaged
from graphssl.program.cost import predict
from graphssl.train.precision import DTYPES

GPU, USABLE = 80e9, 0.9  # bytes, and the share of them that the forecast may take
RECIPES = Path(__file__).parent.parent / "graphs"
LINE = re.compile(r"^# Needs \d+ GPUs? of 80 GB.*\n", re.MULTILINE)


def bytes_each(checked: Checked, gpus: int) -> int:
    """What each of so many GPUs has to hold at most."""
    precision = checked.graph.spec.train.precision
    batch = checked.graph.spec.data.batch // gpus
    graph = checked.graph.with_batch(batch)
    dtype = DTYPES["bf16" if precision == "auto" else precision]
    return predict(graph, infer(graph, checked.data, batch), torch.device("cpu"), dtype).memory


def fits(checked: Checked, gpus: int) -> bool:
    return bytes_each(checked, gpus) <= GPU * USABLE


def gpus_needed(checked: Checked) -> int:
    """The smallest power of two that is enough. Raises ValueError where none is that parts the batch."""
    gpus = 1
    while checked.graph.spec.data.batch % gpus == 0:
        try:
            if fits(checked, gpus):
                return gpus
        except GraphError:  # fewer samples than the graph can do with
            break
        gpus *= 2
    raise ValueError(f"{checked.graph.name} fits no number of GPUs of 80 GB")


def line(name: str, gpus: int) -> str:
    """What a recipe's header says of it."""
    many = f"{gpus} GPU{'' if gpus == 1 else 's'}"
    processes = f" --processes {gpus}" if gpus > 1 else ""
    return f"# Needs {many} of 80 GB: `graphssl check {name}{processes} --set train.precision=bf16`\n"


def said(name: str) -> int:
    """How many a recipe's header says."""
    (found,) = LINE.findall((RECIPES / f"{name}.yaml").read_text())
    return int(found.split()[2])


def write(name: str, gpus: int) -> None:
    """Puts the line behind the command, the header's second line."""
    path = RECIPES / f"{name}.yaml"
    first, second, rest = LINE.sub("", path.read_text()).split("\n", 2)
    path.write_text(f"{first}\n{second}\n{line(name, gpus)}{rest}")


def recipes() -> list[str]:
    return [name for name in packaged() if name.startswith("imagenet/")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=recipes(), help="default: all of graphs/imagenet/")
    parser.add_argument("--write", action="store_true", help="put the line into each recipe's header")
    options = parser.parse_args()
    for name in options.names:
        checked = validated(name)
        gpus = gpus_needed(checked)
        print(f"{name:32}{gpus:4} x {bytes_each(checked, gpus) / 1e9:5.1f} GB", flush=True)
        if options.write:
            write(name, gpus)


if __name__ == "__main__":
    main()
