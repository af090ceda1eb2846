"""Draws the pictures of docs/methods.md: python docs/draw.py"""

from __future__ import annotations

from pathlib import Path

import graphssl
from graphssl.graph.language.packaged import packaged

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    text = (DOCS / "methods.md").read_text()
    for name in packaged():
        picture = f"{name.replace('/', '-')}.svg"
        if f"(pictures/{picture})" in text:
            (PICTURES / picture).write_bytes(graphssl.draw(name, "svg"))


if __name__ == "__main__":
    main()
