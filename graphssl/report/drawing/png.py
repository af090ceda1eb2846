"""A scene as PNG, by matplotlib's Agg canvas, without any state of pyplot."""

from __future__ import annotations

import io
import math
import warnings
from functools import lru_cache
from typing import Any, Literal

from ..style import DASH
from ..text import Face, printable
from .scene import Path, Rect, Scene, Text

DPI = 200
POINTS = 72.0
PIXELS = 60e6  # at most: a picture of a thousand nodes gets a coarser grid


def write_png(scene: Scene) -> bytes:
    """The picture at 200 dots per inch, less where that would be more than 60 million."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    area = scene.width * scene.height / POINTS**2
    dpi = min(DPI, math.sqrt(PIXELS / area), 30000 * POINTS / max(scene.width, scene.height))
    figure = Figure(figsize=(scene.width / POINTS, scene.height / POINTS), dpi=dpi, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.axis("off")
    depth = 0
    for group in scene.groups:
        for mark in group.marks:
            depth += 1
            _artist(axes, mark).set(zorder=depth, alpha=group.opacity if group.opacity < 1 else None)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it
        canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _artist(axes: Any, mark: Rect | Path | Text) -> Any:
    match mark:
        case Rect():
            return _rect(axes, mark)
        case Path():
            return _path(axes, mark)
        case Text():
            return _text(axes, mark)


def _rect(axes: Any, mark: Rect) -> Any:
    from matplotlib.patches import FancyBboxPatch

    style = f"round,pad=0,rounding_size={mark.radius}" if mark.radius else "square,pad=0"
    corner = (mark.x, mark.y)
    return axes.add_patch(
        FancyBboxPatch(
            corner,
            mark.width,
            mark.height,
            boxstyle=style,
            facecolor=mark.fill,
            edgecolor=mark.line,
            linewidth=mark.thick,
        )
    )


def _path(axes: Any, mark: Path) -> Any:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    points, codes = [mark.points[0]], [Outline.MOVETO]
    for piece in mark.pieces():
        points += piece
        codes += [Outline.CURVE4 if len(piece) > 1 else Outline.LINETO] * len(piece)
    if mark.closed:
        points.append(mark.points[0])
        codes.append(Outline.CLOSEPOLY)
    look = {"facecolor": mark.color, "linewidth": 0} if mark.closed else {"facecolor": "none", "edgecolor": mark.color}
    patch = PathPatch(Outline(points, codes), capstyle="butt", joinstyle="round", **look)
    if not mark.closed:
        patch.set(linewidth=mark.thick, linestyle=(0, tuple(d / mark.thick for d in DASH)) if mark.dashed else "solid")
    return axes.add_patch(patch)


def _text(axes: Any, mark: Text) -> Any:
    """Text as outlines: letters that stand on whole pixels are wider than measured, the more so the coarser these."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import text_to_path
    from matplotlib.transforms import Affine2D

    points, codes = text_to_path.get_text_path(_font(mark.face), printable(mark.text).replace("\n", " "))
    scale = mark.size / text_to_path.FONT_SCALE
    where = Affine2D().scale(scale, -scale).translate(mark.bounds()[0], mark.y)  # y goes down here
    outline = Outline(points, codes or None)
    return axes.add_artist(PathPatch(outline, facecolor=mark.color, linewidth=0, transform=where + axes.transData))


@lru_cache(maxsize=3)
def _font(face: Face) -> Any:
    from matplotlib.font_manager import FontProperties

    style: Literal["italic", "normal"] = "italic" if face == "italic" else "normal"
    return FontProperties(_families(), style, weight="bold" if face == "bold" else "normal")


@lru_cache(maxsize=1)
def _families() -> list[str]:
    """DejaVu Sans, and for letters that it lacks whatever of some wide fonts is installed."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    wide = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Arial Unicode MS", "WenQuanYi Zen Hei")
    return ["DejaVu Sans", *(name for name in wide if name in installed)]
