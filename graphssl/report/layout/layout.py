"""Where everything stands: a layered drawing from left to right (Sugiyama et al. 1981).

Between two columns lie three zones: stubs, straight and with what is written on the wires; curves; and what is written
at the arrows' heads. Labels keep clear of boxes and of each other because each port has as much height as its label.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..figure.figure import Copy, Figure
from ..style import HEAD, SMALL
from ..text import text_width
from .geometry import Frame, Layout, Stroke, Tag
from .lines import Line
from .plan import Plan
from .sizes import RISE

AIR = 4.0  # on both sides of a label
CURVE = (12.0, 32.0)  # least and greatest width of a zone of curves
SLOPE = 0.3  # its width for each point that a curve climbs
STRAIGHT = 3.0  # width of a zone of curves that has none
AROUND = 10.0  # how far from a box's corner a copy leaves and enters that goes around others
END = HEAD + 3.0  # room for an arrow's head


def layout(figure: Figure) -> Layout:
    """Places a figure. Long boxes are drawn short where a wire would have to cross them."""
    plan = Plan(figure, spread=True)
    return _Placing(Plan(figure, spread=False) if plan.pierced() else plan).layout()


class _Placing:
    """Widths and positions of the columns and of the zones between them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        count = len(plan.columns)
        self.stub, self.curve, self.end = [0.0] * count, [STRAIGHT] * count, [END] * count
        self._zones()
        self.start, self.stop = [0.0] * count, [0.0] * count  # left and right edge of each column
        self._columns()
        self.frames = {box: self._frame(box) for box in plan.spans}

    def layout(self) -> Layout:
        strokes = [s for line in self.plan.lines for s in self._strokes(line)]
        copies = [self._copy(copy) for copy in self.plan.standing()]
        tags = [*self._labels(), *self._ends(), *dict.fromkeys(self._copy_texts(copies))]
        return Layout(self.frames, (*strokes, *copies), tuple(tags))

    # -- columns and zones -----------------------------------------------------------------------------------------

    def _zones(self) -> None:
        plan = self.plan
        for (box, _), size in plan.labels.items():
            gap = plan.spans[box][1]
            self.stub[gap] = max(self.stub[gap], size.width + 2 * AIR + plan.card(box))
        for link in plan.links:
            pull = plan.pull(link)
            climb = abs(plan.y[link.left] + pull.left_offset - plan.y[link.right] - pull.right_offset)
            if climb > 0.5:
                self.curve[link.gap] = max(self.curve[link.gap], min(max(CURVE[0], SLOPE * climb), CURVE[1]))
        for line in plan.lines:
            for target in line.targets if not line.back else ():
                if target in line.texts:
                    gap = plan.spans[target][0] - 1
                    self.end[gap] = max(self.end[gap], text_width(line.texts[target], SMALL) + HEAD + 2 * AIR)

    def _columns(self) -> None:
        widths = [12.0] * len(self.start)
        for box, (first, last) in self.plan.spans.items():
            if first == last:
                widths[first] = max(widths[first], self.plan.need[box][0])
        for box, (first, last) in self.plan.spans.items():
            between = sum(self.stub[g] + self.curve[g] + self.end[g] for g in range(first, last))
            widths[last] += max(0.0, self.plan.need[box][0] - between - sum(widths[first : last + 1]))
        at = 0.0
        for i, width in enumerate(widths):
            self.start[i], self.stop[i] = at, at + width
            at += width + self.stub[i] + self.curve[i] + self.end[i]

    def _frame(self, box: str) -> Frame:
        first, last = self.plan.spans[box]
        reach = self.plan.reach(box)
        x, width = self.start[first], self.stop[last] - self.start[first]
        if self.plan.boxes[box].role == "join":
            x, width = x + (width - self.plan.need[box][0]) / 2, self.plan.need[box][0]
        return Frame(x, self.plan.y[box] - reach.up, width, reach.up + reach.down)

    # -- lines -----------------------------------------------------------------------------------------------------

    def _strokes(self, line: Line) -> Iterator[Stroke]:
        gap = self.plan.spans[line.source][1]
        y = self._out(line)
        begin = [(self.frames[line.source].right, y), (self.stop[gap] + self.stub[gap], y)]
        if line.update and not line.back and self._shared(line):
            begin = begin[1:]
        if not line.targets:
            yield Stroke(tuple(begin), (False,), line.source, None, line)
        for target in line.targets:
            points, curved = list(begin), [False] * (len(begin) - 1)
            last = self.plan.spans[target][0] - 1
            for at, height in self._stops(line, target):
                points += [(self._turned(at), height)]
                curved += [abs(height - points[-2][1]) > 0.01]
                if at < last:
                    points += [(self.stop[last] + self.stub[last], height)]
                    curved += [False]
            points += [(self.frames[target].x, points[-1][1])]
            yield Stroke(tuple(points), (*curved, False), line.source, target, line)

    def _stops(self, line: Line, target: str) -> Iterator[tuple[int, float]]:
        """The gaps in which a line turns to a new height, and that height."""
        gap, last = self.plan.spans[line.source][1], self.plan.spans[target][0] - 1
        if last > gap:
            yield gap, self.plan.y[line.strip]
        yield last, self._in(line, target)

    def _shared(self, line: Line) -> bool:
        """Whether the wire is read too, so that the line of an update need not begin at the box."""
        return any(other.wire == line.wire and not other.update for other in self.plan.lines)

    def _turned(self, gap: int) -> float:
        return self.stop[gap] + self.stub[gap] + self.curve[gap]

    def _out(self, line: Line) -> float:
        return self.plan.y[line.source] + self.plan.right[line.source, line.port]

    def _in(self, line: Line, target: str) -> float:
        return self.plan.y[target] + self.plan.left[target, line.id]

    def _copy(self, copy: Copy) -> Stroke:
        """A line straight up or down; around boxes that stand between, past their left sides."""
        plan, (source, target) = self.plan, (self.frames[copy.source], self.frames[copy.target])
        down = plan.above(copy)
        y, end = (source.bottom, target.y) if down else (source.y, target.bottom + plan.card(copy.target))
        first = max(plan.spans[copy.source][0], plan.spans[copy.target][0])
        last = min(plan.spans[copy.source][1], plan.spans[copy.target][1])
        column = plan.columns[first]
        a, b = sorted((column.index(copy.source), column.index(copy.target)))
        x = (self.start[first] + self.stop[last]) / 2
        if not any(block in plan.spans for block in column[a + 1 : b]):
            return Stroke(((x, y), (x, end)), (False,), copy.source, copy.target, copy=copy)
        x, track, step = (
            self.start[first] + AROUND,
            self.start[first] - END / 2,
            0.5 * AROUND if down else -0.5 * AROUND,
        )
        points = ((x, y), (x, y + step), (track, y + step), (track, end - 2 * step), (x, end - 2 * step), (x, end))
        return Stroke(points, (False,) * 5, copy.source, copy.target, copy=copy)

    # -- what is written -------------------------------------------------------------------------------------------

    def _labels(self) -> Iterator[Tag]:
        seen = set()
        for line in self.plan.lines:
            if (line.source, line.port) not in seen and (line.wire is not None or line.back):
                seen.add((line.source, line.port))
                text = line.texts.get(line.source, "") if line.back else ""
                x = self.frames[line.source].right + self.plan.card(line.source) + (HEAD if line.back else 0.0) + AIR
                y = self._out(line) - (RISE if text else 0.0)
                yield Tag(x, y, self.plan.labels[line.source, line.port].width, line, text)

    def _ends(self) -> Iterator[Tag]:
        for line in self.plan.lines:
            for target in line.targets if not line.back else ():
                if text := line.texts.get(target, ""):
                    width = text_width(text, SMALL)
                    yield Tag(
                        self.frames[target].x - HEAD - AIR - width, self._in(line, target) - RISE, width, line, text
                    )

    def _copy_texts(self, copies: list[Stroke]) -> Iterator[Tag]:
        for stroke in copies:
            assert stroke.copy is not None
            x, y = stroke.points[-1]
            down = y > stroke.points[0][1]
            width = text_width(stroke.copy.text, SMALL)
            yield Tag(
                x + AIR, y - RISE if down else y + RISE + SMALL, width, None, stroke.copy.text, stroke.copy.written
            )
