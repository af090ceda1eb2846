"""Pictures beside each other: where they stand, that they keep their shape, and that long names fit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from graphssl.report import SIDE, Card, Row, gallery
from graphssl.report.gallery import GAP, GUTTER, HEAD, LEADING, MARGIN, TITLE, _file, shortened

RED, BLUE = (200, 0, 0), (0, 0, 200)


def card(colour: tuple[int, int, int], width: int = 90, height: int = 90, *lines: str) -> Card:
    return Card(Image.new("RGB", (width, height), colour), "0.5", lines or ("it.jpg",))


def drawn(*rows: Row) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(gallery(rows, "title"))))


def extent(picture: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """First and last row, first and last column."""
    where = (picture == colour).all(-1)
    return [(int(w.min()), int(w.max())) for w in (np.nonzero(where.any(1))[0], np.nonzero(where.any(0))[0])]


@pytest.mark.parametrize(("width", "height"), [(90, 90), (800, 100), (10, 500), (600, 400)])
def test_pictures_are_whole_and_keep_their_shape(width: int, height: int) -> None:
    picture = drawn(Row(card(RED), [card(BLUE, width, height)]))
    (top, bottom), (left, right) = extent(picture, BLUE)
    high, wide = bottom - top + 1, right - left + 1
    assert max(high, wide) == SIDE
    scale = SIDE / max(width, height)
    assert abs(wide - scale * width) <= 1
    assert abs(high - scale * height) <= 1
    middle = MARGIN + SIDE + 2 * GUTTER + SIDE // 2
    assert abs((left + right) / 2 - middle) <= 1
    assert extent(picture, RED) == [
        (MARGIN + TITLE + GAP, MARGIN + TITLE + GAP + SIDE - 1),
        (MARGIN, MARGIN + SIDE - 1),
    ]


def test_many_go_on_below_and_the_next_query_below_them() -> None:
    first = Row(card(RED), [card(RED)] * 10)
    one, two = drawn(first), drawn(first, Row(card(BLUE), [card(BLUE)]))
    assert one.shape[1] == two.shape[1] == MARGIN + SIDE + 2 * GUTTER + 8 * (SIDE + GAP) - GAP + MARGIN
    (_, bottom), _ = extent(one, RED)
    assert bottom == MARGIN + TITLE + GAP + 2 * SIDE + 2 * LEADING + GAP - 1
    assert extent(two, BLUE)[0][0] > bottom
    assert np.array_equal(two[: one.shape[0] - GAP], one[: one.shape[0] - GAP])


def test_long_names_are_cut_in_their_middle() -> None:
    name = "a long name " * 20 + "end.jpg"
    font = ImageFont.truetype(_file(name, False), HEAD)
    cut = shortened(name, font, SIDE)
    assert font.getlength(cut) <= SIDE
    assert (cut[:6], cut[-7:]) == ("a long", "end.jpg")
    assert cut.count("…") == 1
    assert shortened("short.jpg", font, SIDE) == "short.jpg"
    long = drawn(Row(card(RED), [card(BLUE, 90, 90, name, "class"), card(BLUE)]))
    plain = drawn(Row(card(RED), [card(BLUE, 90, 90, "x", "class"), card(BLUE)]))
    second = MARGIN + SIDE + 2 * GUTTER + SIDE + GAP // 2
    assert np.array_equal(long[:, second:], plain[:, second:]), "a name runs into the next picture"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_forms(form: str) -> None:
    assert Image.open(io.BytesIO(gallery([Row(card(RED), [card(BLUE)])], "t", form))).format == form
