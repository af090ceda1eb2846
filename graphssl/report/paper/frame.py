"""Title and legend around a picture, and its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..figure.figure import Figure
from ..layout.layout import layout
from ..style import INK, MARGIN, PAPER, ROLES, SMALL, SMALL_INK, STOP, TITLE, UPDATE, WIRE
from ..text import text_width
from .paint import painted
from .scene import Group, Mark, Path, Rect, Scene, Text

CAPTION = 28.0  # from the title's top to the picture
ROW = 13.0  # of the legend
SAMPLE = 15.0  # length of a line in the legend
GAP = 12.0  # between its entries

Sample = tuple[str, list[Mark], float]


def scene_of(figure: Figure) -> Scene:
    """The whole picture of a figure."""
    groups = painted(figure, layout(figure))
    left, top, right, bottom = _bounds(groups)
    samples = list(_samples(figure))
    caption = list(_caption(figure))
    wide = max([right - left, *(m.frame()[2] for m in caption), *(s[2] for s in samples)])
    legend, tall = _legend(samples, wide)
    marks = [*_moved(caption, MARGIN, MARGIN), *_moved(legend, MARGIN, MARGIN + CAPTION + bottom - top + GAP)]
    x = MARGIN - left + (wide - right + left) / 2
    body = [_shift(group, x, MARGIN + CAPTION - top) for group in groups]
    height = 2 * MARGIN + CAPTION + bottom - top + GAP + tall
    return Scene(wide + 2 * MARGIN, height, figure.title, (Group(marks), *body))


def _caption(figure: Figure) -> Iterator[Text]:
    yield Text(0.0, 0.8 * TITLE, figure.title, TITLE, INK, face="bold")
    x = text_width(figure.title, TITLE, "bold") + GAP
    yield Text(x, 0.8 * TITLE, figure.subtitle, SMALL, SMALL_INK)


def _legend(samples: Sequence[Sample], wide: float) -> tuple[list[Mark], float]:
    """The entries in rows no wider than the picture, and the height of these."""
    marks: list[Mark] = []
    x, y = 0.0, 0.0
    for text, sample, width in samples:
        if x and x + width > wide:
            x, y = 0.0, y + ROW
        marks += _moved(sample, x, y)
        marks.append(Text(x + width - text_width(text, SMALL), y + 0.5 * ROW + 2.5, text, SMALL, SMALL_INK))
        x += width + GAP
    return marks, y + ROW


def _samples(figure: Figure) -> Iterator[Sample]:
    """What the legend explains: the sections and kinds of line that the picture has."""
    middle = ROW / 2
    roles = {box.role for box in figure.boxes}
    for name, role in ROLES.items():
        if name in roles and role.title:
            yield _sample(role.title, [Rect(0.0, middle - 4.0, 8.0, 8.0, role.fill, role.line, 1.5)], 8.0)
    line = ((0.0, middle), (SAMPLE, middle))
    if any(box.count > 1 for box in figure.boxes) or any(w.label.count > 1 for w in figure.wires):
        yield _sample("several views", [Path(line, WIRE, 3.0), Path(line, PAPER, 1.3)], SAMPLE)
    if any(w.stop for w in figure.wires):
        bars = [Path(((x - 1.5, middle + 4), (x + 1.5, middle - 4)), STOP, 1.3) for x in (6.0, 9.2)]
        yield _sample("stop-gradient", [Path(line, WIRE), *bars], SAMPLE)
    if figure.copies or any(e.update for w in figure.wires for e in w.ends):
        yield _sample("written after the step", [Path(line, UPDATE, 1.2, dashed=True)], SAMPLE)


def _sample(text: str, marks: Sequence[Mark], width: float) -> Sample:
    return text, list(marks), width + 4.0 + text_width(text, SMALL)


# -- geometry ------------------------------------------------------------------------------------------------------


def _bounds(groups: Sequence[Group]) -> tuple[float, float, float, float]:
    frames = [_extent(mark) for group in groups for mark in group.marks]
    lefts, tops, rights, bottoms = zip(*frames, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _extent(mark: Mark) -> tuple[float, float, float, float]:
    match mark:
        case Rect():
            return mark.x, mark.y, mark.x + mark.width, mark.y + mark.height
        case Text():
            return mark.frame()
        case Path():
            xs, ys = [x for x, _ in mark.points], [y for _, y in mark.points]
            return min(xs), min(ys), max(xs), max(ys)


def _shift(group: Group, dx: float, dy: float) -> Group:
    return Group(_moved(group.marks, dx, dy), group.kind, group.note, group.facts, group.opacity)


def _moved(marks: Sequence[Mark], dx: float, dy: float) -> list[Mark]:
    return [_move(mark, dx, dy) for mark in marks]


def _move(mark: Mark, dx: float, dy: float) -> Mark:
    if isinstance(mark, Path):
        return Path(
            tuple((x + dx, y + dy) for x, y in mark.points),
            mark.color,
            mark.thick,
            mark.curved,
            mark.dashed,
            mark.closed,
        )
    if isinstance(mark, Text):
        return Text(mark.x + dx, mark.y + dy, mark.text, mark.size, mark.color, mark.anchor, mark.face)
    return Rect(mark.x + dx, mark.y + dy, mark.width, mark.height, mark.fill, mark.line, mark.radius, mark.thick)
