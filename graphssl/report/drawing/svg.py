"""A scene as SVG: one file without anything from outside, with text as text and tooltips."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from ..style import DASH
from ..text import printable
from .scene import Group, Mark, Path, Rect, Scene, Text

FONTS = "DejaVu Sans, Verdana, sans-serif"
FACES = {"plain": "", "bold": ' font-weight="bold"', "italic": ' font-style="italic"'}


def write_svg(scene: Scene) -> str:
    """The picture, as wide as its text at its own size asks for."""
    width, height = _number(scene.width), _number(scene.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
        f'viewBox="0 0 {width} {height}" font-family="{FONTS}" role="img">',
        f"<title>{_plain(scene.title)}</title>",
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>',
        *(line for group in scene.groups for line in _group(group)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _group(group: Group) -> Iterator[str]:
    facts = "".join(f" data-{key}={_quoted(value)}" for key, value in group.facts.items())
    faded = f' opacity="{group.opacity}"' if group.opacity < 1 else ""
    yield f'<g class="{group.kind}"{facts}{faded}>'
    if group.note:
        yield f"<title>{_plain(group.note)}</title>"
    yield from (_mark(mark) for mark in group.marks)
    yield "</g>"


def _mark(mark: Mark) -> str:
    match mark:
        case Rect():
            return (
                f'<rect x="{_number(mark.x)}" y="{_number(mark.y)}" width="{_number(mark.width)}" '
                f'height="{_number(mark.height)}" rx="{_number(mark.radius)}" fill="{mark.fill}" stroke="{mark.line}" '
                f'stroke-width="{_number(mark.thick)}"/>'
            )
        case Path():
            return _path(mark)
        case Text():
            return (
                f'<text x="{_number(mark.x)}" y="{_number(mark.y)}" font-size="{_number(mark.size)}" '
                f'fill="{mark.color}" text-anchor="{mark.anchor}"{FACES[mark.face]}>{_plain(mark.text)}</text>'
            )


def _path(mark: Path) -> str:
    data = f"M{_point(mark.points[0])}" + "".join(
        ("C" if len(piece) > 1 else "L") + " ".join(_point(p) for p in piece) for piece in mark.pieces()
    )
    if mark.closed:
        return f'<path d="{data}Z" fill="{mark.color}"/>'
    dashes = f' stroke-dasharray="{" ".join(map(_number, DASH))}"' if mark.dashed else ""
    return f'<path d="{data}" fill="none" stroke="{mark.color}" stroke-width="{_number(mark.thick)}"{dashes}/>'


def _point(point: tuple[float, float]) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """At most two decimals, without zeros at the end."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _plain(text: str) -> str:
    return escape(printable(text))


def _quoted(text: str) -> str:
    return quoteattr(printable(text))
