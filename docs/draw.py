"""Draws the pictures of docs/methods.md: python docs/draw.py"""

from __future__ import annotations

from pathlib import Path

import graphssl
from graphssl.graph.language.packaged import packaged

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in packaged():
        if not name.startswith(("cifar10/", "imagenet/")):
            (PICTURES / f"{name.replace('/', '-')}.svg").write_bytes(graphssl.draw(name, "svg"))


if __name__ == "__main__":
    main()
