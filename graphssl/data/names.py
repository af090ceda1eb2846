"""How files of pictures are called, and how those that may lie beside them."""

from __future__ import annotations

import os

from .decode import Form
from .left_out import LeftOut
from .walk import Found

__all__ = ["ARRAY", "SUFFIXES", "Suffixes", "is_picture", "suffixes_for"]

Suffixes = tuple[str, ...]

SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif", ".jpe", ".pnm", ".pbm",
    ".avif", ".jp2", ".j2k", ".tga",
)  # fmt: skip
ARRAY = ".npy"  # counts where the data says which channels or type its pictures have
# Of files that are no pictures: of all others it is said that they are left out.
BESIDE = (
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".md", ".rst", ".html",
    ".htm", ".log", ".py", ".pyc", ".ipynb", ".sh", ".lock", ".db", ".sqlite", ".tar", ".index", ".md5", ".sha256",
)  # fmt: skip
NAMES = ("README", "LICENSE", "Makefile")
OF_MACOS = "._"  # beside each file, on other disks than its own


def suffixes_for(form: Form) -> Suffixes:
    """How the names of pictures end; those of arrays, where the data says what they are."""
    return SUFFIXES if form.converts else (*SUFFIXES, ARRAY)


def is_picture(file: Found, suffixes: Suffixes, told: LeftOut | None = None) -> bool:
    """Whether a file's name says so. told: takes a file that may be a picture, and does not count."""
    name = os.path.basename(file.name)
    ends = name.lower().endswith(suffixes)
    if ends and not name.startswith("."):
        return True
    if told is not None and ends and not name.startswith(OF_MACOS):
        told.add("hidden", (file.path,))
    elif told is not None and not (name.startswith(".") or name.lower().endswith(BESIDE) or name in NAMES):
        told.add("form", (file.path,))
    return False
