"""Draws docs/pictures/page.png, the page of a comparison in a browser: python docs/page.py [FOLDER]

Nine small trainings, some minutes on two cores; FOLDER keeps them, so that they are not trained again. It takes
`pip install -e ".[dev]"` and Debian's Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

import graphssl

PICTURE = Path(__file__).parent.resolve() / "pictures" / "page.png"
RUNS = {"byol": [], "fast-target": ["nodes.target.momentum=0.9"], "small-crops": ["nodes.augment.crop=[0.3, 1]"]}
WIDE, HIGH = 1280, 1560


def main(folder: Path) -> None:
    os.chdir(folder)
    names = []
    for seed in range(3):
        for name, sets in RUNS.items():
            names.append(f"{name}-{seed}")
            if not Path("runs", names[-1]).exists():
                graphssl.run("byol", [*sets, f"train.seed={seed}", "train.epochs=10"], name=names[-1], device="cpu")
    graphssl.compare(sorted(names), "page.html", features=False)  # which stand further below
    draw(Path("page.html"), PICTURE)


def draw(page: Path, picture: Path) -> None:
    """The page's beginning, as it stands in a window."""
    shot = page.with_suffix(".png").resolve()
    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        tab = browser.new_page(viewport={"width": WIDE, "height": HIGH}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.wait_for_function("document.querySelectorAll('.plot[data-drawn]').length > 3")
        tab.wait_for_timeout(500)
        tab.screenshot(path=shot)
        browser.close()
    with Image.open(shot) as image:
        image.convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
