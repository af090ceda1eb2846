"""Colours and measures of a picture. Lengths are points, a 72nd of an inch.

The palette is light tints of Okabe and Ito's eight colours, which people with any colour vision tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """How boxes of one section look, and what the legend calls them."""

    title: str
    fill: str
    line: str


ROLES = {
    "data": Role("data", "#f0f0f0", "#777777"),
    "augment": Role("augmentation", "#fbf6bd", "#a89b12"),
    "encoder": Role("encoder", "#d0e9f8", "#2b86b8"),
    "head": Role("head", "#c7dced", "#0a5a8c"),
    "target": Role("target", "#fae3b6", "#b87a00"),
    "negatives": Role("negatives", "#f1dbe7", "#a5527f"),
    "critic": Role("critic", "#c4e6da", "#007a59"),
    "objective": Role("objective", "#f7d8c2", "#b04e00"),
    "mask": Role("mask", "#d9d4cf", "#5c4a3d"),
    "prior": Role("prior", "#e3d9f2", "#6a4a9c"),
    "context": Role("context", "#dfe7cf", "#5f7a24"),
    "other": Role("other", "#ffffff", "#555555"),
    "join": Role("", "#444444", "#444444"),
    "loss": Role("loss", "#4a4a4a", "#222222"),
}


@dataclass(frozen=True)
class Look:
    """How what differs between two graphs is marked: by a colour, and by a sign before its name."""

    title: str
    color: str
    sign: str


CHANGES = {
    "added": Look("added", "#00855f", "+"),
    "removed": Look("removed", "#c0392b", "\u2212"),
    "changed": Look("changed", "#b87a00", "~"),
}

INK = "#1a1a1a"
SMALL_INK = "#555555"
WIRE = "#333333"
UPDATE = "#c24a00"  # what is written after the step
STOP = "#c0392b"  # where no gradient comes back
PAPER = "#ffffff"

NAME = 9.0  # text sizes
SMALL = 7.0
TITLE = 12.0

LEADING = 9.0  # from line to line of small text
PADDING = 5.0  # in a box, left and right
MARGIN = 10.0  # around the picture
BETWEEN = 13.0  # from box to box, up and down
RADIUS = 4.0
STACK = 2.5  # how far the second card of a stack of calls stands out
STRIP = 9.0  # what a wire takes that passes a column
HEAD = 6.0  # length of an arrow's head
DASH = (3.2, 2.2)  # length of dashes and of the gaps between them
LETTER_GAP = 5.0  # between the axes of a tensor
TENSOR_GAP = 11.0  # between the tensors of a value
