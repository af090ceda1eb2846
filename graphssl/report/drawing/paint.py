"""From a figure and its layout to marks on paper: wires, boxes, and what is written on the wires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import style
from ..figure.figure import Box, Change, Copy, Figure, Label
from ..layout.geometry import Frame, Layout, Point, Stroke, Tag
from ..layout.layout import AIR
from ..layout.sizes import DROP, MARK, RISE, ROW, STOP_TEXT, column_width, has_axes, times_width
from ..text import text_width
from .scene import Group, Mark, Path, Rect, Text

THIN, DOUBLE, CORE, HALO = 1.0, 3.0, 1.3, 2.5  # thickness of wires, of both lines of a family, the white inside
CHANGED = 2.2  # thickness of the line around a box that differs


def painted(figure: Figure, placed: Layout) -> list[Group]:
    """Everything but title and legend, with the layout's origin."""
    groups = [_wire(figure, i, placed) for i in range(len(figure.wires))]
    groups += [_copy(stroke.copy, stroke) for stroke in placed.strokes if stroke.copy]
    groups += [_loose(figure, stroke) for stroke in placed.strokes if stroke.line and stroke.line.wire is None]
    groups += [_box(box, placed.frames[box.id]) for box in figure.boxes]
    return groups + [Group(list(_tag(figure, tag))) for tag in placed.tags]


# -- lines ---------------------------------------------------------------------------------------------------------


def _wire(figure: Figure, number: int, placed: Layout) -> Group:
    """All strokes of one wire: first what keeps older wires off, then the lines, then the heads."""
    wire = figure.wires[number]
    strokes = [s for s in placed.strokes if s.line is not None and s.line.wire == number]
    marks = [Path(s.points, style.PAPER, DOUBLE + HALO, s.curved) for s in strokes]
    for stroke in strokes:
        assert stroke.line is not None
        marks.append(_line(stroke, stroke.line.update, wire.label.count > 1, wire.change))
    if wire.label.count > 1:
        marks += [Path(_trimmed(s), style.PAPER, CORE, s.curved) for s in strokes if s.line and not s.line.update]
    marks += [_head(s, _color(bool(s.line and s.line.update), wire.change)) for s in strokes if s.target]
    return Group(marks, "wire", figure.note(wire), _facts(wire.source, [e.box for e in wire.ends]))


def _line(stroke: Stroke, update: bool, family: bool, change: Change) -> Path:
    thick = 1.2 if update else DOUBLE if family else THIN
    dashed = update or change == "removed"
    return Path(_trimmed(stroke), _color(update, change), thick, stroke.curved, dashed)


def _color(update: bool, change: Change) -> str:
    return style.CHANGES[change].color if change else style.UPDATE if update else style.WIRE


def _copy(copy: Copy, stroke: Stroke) -> Group:
    color = _color(copy.written, copy.change)
    marks = [Path(_trimmed(stroke), color, 1.2, stroke.curved, dashed=True), _head(stroke, color)]
    said = f"{copy.text}: the weights of {copy.source}" if copy.written else f"{copy.text} {copy.source}"
    return Group(marks, "wire", said, _facts(copy.source, [copy.target]))


def _loose(figure: Figure, stroke: Stroke) -> Group:
    """A copy that runs like a wire."""
    ends = (stroke.source, stroke.target or "")
    copy = next(c for c in figure.copies if {c.source, c.target} == set(ends))
    return _copy(copy, stroke)


def _facts(source: str, targets: Sequence[str]) -> dict[str, str]:
    return {"from": source, "to": " ".join(targets)}


def _tip(stroke: Stroke) -> tuple[Point, float, float]:
    """The point of the arrow, and the direction in which it points."""
    points = stroke.points[::-1] if stroke.line is None or not stroke.line.back else stroke.points
    (x, y), (x0, y0) = points[0], points[1]
    if stroke.curved[0 if stroke.line and stroke.line.back else -1] or x == x0:  # a copy's end: up or down
        return (x, y), 0.0, 1.0 if y > y0 else -1.0
    return (x, y), 1.0 if x > x0 else -1.0, 0.0


def _trimmed(stroke: Stroke) -> tuple[Point, ...]:
    """The points of a stroke, the arrow's end drawn back, so that the line does not stand out of the head."""
    if stroke.target is None:
        return stroke.points
    (x, y), dx, dy = _tip(stroke)
    short = (x - dx * style.HEAD * 0.7, y - dy * style.HEAD * 0.7)
    if stroke.line is not None and stroke.line.back:
        return (short, *stroke.points[1:])
    return (*stroke.points[:-1], short)


def _head(stroke: Stroke, color: str) -> Path:
    (x, y), dx, dy = _tip(stroke)
    back, wide = (x - dx * style.HEAD, y - dy * style.HEAD), style.HEAD * 0.42
    left, right = (back[0] - dy * wide, back[1] + dx * wide), (back[0] + dy * wide, back[1] - dx * wide)
    return Path(((x, y), left, right), color, closed=True)


# -- boxes ---------------------------------------------------------------------------------------------------------


def _box(box: Box, frame: Frame) -> Group:
    role = style.ROLES[box.role]
    cards = [(style.STACK, style.STACK), (0.0, 0.0)] if box.count > 1 else [(0.0, 0.0)]
    radius = 1.5 if box.role == "join" else style.RADIUS
    line, thick = (style.CHANGES[box.change].color, CHANGED) if box.change else (role.line, 0.8)
    marks: list[Mark] = [
        Rect(frame.x + dx, frame.y + dy, frame.width, frame.height, role.fill, line, radius, thick) for dx, dy in cards
    ]
    if box.name:
        marks += _text(box, frame)
    facts = {"id": box.id, **({"change": box.change} if box.change else {})}
    return Group(marks, "box", box.note, facts, opacity=0.45 if box.faded else 1.0)


def _text(box: Box, frame: Frame) -> Iterator[Text]:
    ink, small = (style.PAPER, style.PAPER) if box.role == "loss" else (style.INK, style.SMALL_INK)
    y = frame.y + (frame.height - style.NAME - style.LEADING * len(box.lines)) / 2 + 0.85 * style.NAME
    name, more = text_width(box.name, style.NAME, "bold"), times_width(box)
    left = frame.middle - (name + more) / 2
    yield Text(left, y, box.name, style.NAME, ink, face="bold")
    if more:
        yield Text(left + name + more, y, box.times, style.SMALL, small, "end")
    for i, line in enumerate(box.lines):
        yield Text(frame.middle, y + style.LEADING * (i + 1) + 0.5, line, style.SMALL, small, "middle")


# -- what is written on wires --------------------------------------------------------------------------------------


def _tag(figure: Figure, tag: Tag) -> Iterator[Mark]:
    if tag.text:
        update = tag.update if tag.line is None else tag.line.update
        yield Text(tag.x, tag.y, tag.text, style.SMALL, style.UPDATE if update else style.INK)
    elif tag.line is not None and tag.line.wire is not None:
        wire = figure.wires[tag.line.wire]
        yield from _label(wire.label, tag, wire.stop)
        if wire.stop:
            yield from _stop(tag.x + tag.width - MARK / 2, tag.y)
        if not wire.ends:
            x = tag.x + tag.width + AIR
            yield Path(((x, tag.y - 4), (x, tag.y + 4)), style.WIRE)


def _label(label: Label, tag: Tag, stop: bool) -> Iterator[Text]:
    middle = tag.x + (tag.width - MARK * stop) / 2
    if label.title:
        yield Text(middle, tag.y - RISE, label.title, style.SMALL, style.INK, "middle", "italic")
    x = tag.x + (tag.width - _axes_width(label)) / 2
    for tensor in label.axes:
        for letter, size in tensor:
            width = column_width((letter, size))
            if letter:
                yield Text(x + width / 2, tag.y + DROP, letter, style.SMALL, style.SMALL_INK, "middle", "italic")
            yield Text(x + width / 2, tag.y + DROP + ROW, size, style.SMALL, style.SMALL_INK, "middle")
            x += width + style.LETTER_GAP
        x += (style.TENSOR_GAP - style.LETTER_GAP) * bool(tensor)
    if stop:
        y = tag.y + DROP + 2 * ROW * has_axes(label)
        yield Text(tag.x + tag.width / 2, y, STOP_TEXT, style.SMALL, style.STOP, "middle")


def _axes_width(label: Label) -> float:
    columns = sum(column_width(c) + style.LETTER_GAP for t in label.axes for c in t) - style.LETTER_GAP
    return columns + (style.TENSOR_GAP - style.LETTER_GAP) * (sum(1 for t in label.axes if t) - 1)


def _stop(x: float, y: float) -> Iterator[Path]:
    """Two short bars across the wire."""
    for at in (x - 1.6, x + 1.6):
        yield Path(((at - 1.3, y + 3.9), (at + 1.3, y - 3.9)), style.STOP, 1.3)
