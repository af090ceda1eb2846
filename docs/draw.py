"""Draws the pictures of docs/methods.md: python docs/draw.py"""

from __future__ import annotations

from pathlib import Path

from graphssl.checks.checked import validated
from graphssl.graph.read import load
from graphssl.language.packaged import packaged
from graphssl.report import draw

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in packaged():
        if not name.startswith(("cifar10/", "imagenet/")):
            checked = validated(load(name))
            (PICTURES / f"{name.replace('/', '-')}.svg").write_bytes(draw(checked.graph, checked.shapes, "svg"))


if __name__ == "__main__":
    main()
