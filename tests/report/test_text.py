"""How wide text is, and what of it can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from figures import TEXTS

from graphssl.report.drawing import png
from graphssl.report.text import FILES, printable, text_width


@pytest.mark.parametrize("face", ["plain", "bold", "italic"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_as_wide_as_its_outlines(text: str, face: str) -> None:
    """But for the kerning, which moves letters together, and for what the outermost letters leave blank."""
    from matplotlib.textpath import text_to_path

    points, _ = text_to_path.get_text_path(png._font(face), text)
    drawn = float(np.ptp(np.asarray(points)[:, 0])) / text_to_path.FONT_SCALE * 10
    measured = text_width(text, 10, face)  # type: ignore[arg-type]
    assert drawn <= measured + 1.0
    assert drawn >= 0.85 * measured - 3.0


def test_every_face_has_a_file_of_its_own() -> None:
    assert len(set(FILES.values())) == 3
    assert len({text_width("Wide gap 1234", 10, face) for face in FILES}) >= 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("character", "width"), [("漢", 11.5), ("\uff46", 11.5), ("\U0001f408", 11.5), ("\u0301", 0.0), ("\U00012000", 7.0)]
)
def test_letters_that_the_font_lacks_have_a_width_too(character: str, width: float) -> None:
    assert text_width(character, 10) == pytest.approx(width)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", r"a\x00b"),
        ("a\tb", r"a\tb"),
        ("a\nb", "a\nb"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
        ("\ufffe", r"\ufffe"),
        ("\u00a0", r"\xa0"),
        ("é漢", "é漢"),
    ],
)
def test_what_cannot_be_drawn_is_an_escape_and_as_wide(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert text_width(text, 10) == text_width(shown, 10)


def test_text_is_measured_in_its_face() -> None:
    assert text_width("mm", 10) == pytest.approx(2 * text_width("m", 10))
    assert text_width("m", 20) == pytest.approx(2 * text_width("m", 10))
    assert text_width("name", 10, "bold") > text_width("name", 10)
    assert 5 < text_width("m", 10) < 12
    assert text_width("", 10) == 0
    assert text_width("漢", 10) >= 10
    assert text_width("e\u0301", 10) == text_width("e", 10)
