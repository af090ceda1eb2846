"""A real browser for pages: Debian's Chromium, without a window and without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Opened", "browser", "opened"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
WITHOUT = "there is no Chromium here: apt-get install chromium"


@dataclass
class Opened:
    """A page in a tab. errors: what its console says is wrong. asked: what it has asked a network for."""

    tab: Any
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def drawn(self) -> int:
        """Goes through the page, so that all plots are drawn; how many there are."""
        return int(
            self.tab.evaluate(
                """async () => {
                  const places = [...document.querySelectorAll(".plot")];
                  for (const place of places) {
                    place.scrollIntoView({block: "center"});
                    for (let i = 0; i < 400 && place.dataset.drawn !== "yes"; i++)
                      await new Promise(after => setTimeout(after, 25));
                  }
                  return places.filter(place => place.dataset.drawn === "yes").length;
                }"""
            )
        )


@contextmanager
def browser() -> Iterator[Any]:
    """Skips the test where there is none; in CI that is an error."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(WITHOUT)
    if found is None:
        pytest.skip(WITHOUT)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        one = play.chromium.launch(executable_path=found, args=[*options, "--use-angle=swiftshader"])
        try:
            yield one
        finally:
            one.close()


@contextmanager
def opened(one: Any, page: Path, width: int = 1280, scheme: str = "light") -> Iterator[Opened]:
    """A page from the disk, in a tab of its own."""
    context = one.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    found = Opened(context.new_page())
    found.tab.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
    found.tab.on("pageerror", lambda error: found.errors.append(str(error)))
    found.tab.on(
        "request",
        lambda asked: found.asked.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None,
    )
    try:
        found.tab.goto(page.resolve().as_uri())
        yield found
    finally:
        context.close()
