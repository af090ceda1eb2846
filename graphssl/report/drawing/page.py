"""A page that shows a picture: it zooms and pans, marks a box's neighbours, and tells its config.

One file that needs nothing from outside, so that it opens from a disk.
"""

from __future__ import annotations

import html
import json

from ..figure.figure import Figure
from .scene import Scene
from .svg import write_svg

STYLE = """\
html, body { height: 100%; margin: 0; font: 14px/1.45 "DejaVu Sans", Verdana, sans-serif; color: #1a1a1a; }
body { display: flex; background: #fff; }
#view { flex: 1; min-width: 0; position: relative; }
#view svg { width: 100%; height: 100%; display: block; cursor: grab; touch-action: none; }
#view svg.held { cursor: grabbing; }
#view .paper { display: none; }
#view.chosen g.box:not(.lit), #view.chosen g.wire:not(.lit) { opacity: 0.2; }
g.box { cursor: pointer; }
#fit { position: absolute; left: 12px; bottom: 12px; font: inherit; padding: 3px 12px; }
aside { width: 300px; overflow: auto; border-left: 1px solid #ddd; padding: 14px 18px; box-sizing: border-box; }
aside h1 { font-size: 18px; margin: 0 0 2px; }
aside h2 { font-size: 15px; margin: 22px 0 2px; }
aside p { margin: 0 0 8px; color: #555; font-size: 12px; white-space: pre-line; overflow-wrap: anywhere; }
aside table { border-collapse: collapse; font-size: 12px; }
aside td { padding: 1px 12px 1px 0; vertical-align: top; overflow-wrap: anywhere; }
aside td:first-child { color: #555; }
"""

SCRIPT = """\
const facts = JSON.parse(document.getElementById("facts").textContent);
const view = document.getElementById("view"), svg = view.querySelector("svg"), told = document.getElementById("told");
const whole = svg.viewBox.baseVal, full = [whole.x, whole.y, whole.width, whole.height];
let box = full.slice(), held = null, fixed = null;
svg.removeAttribute("width"); svg.removeAttribute("height");

function show() { svg.setAttribute("viewBox", box.join(" ")); }
function at(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}
function zoom(x, y, factor) {
  if (box[2] * factor > full[2] * 8 || box[2] * factor < full[2] / 200) return;
  box = [x - (x - box[0]) * factor, y - (y - box[1]) * factor, box[2] * factor, box[3] * factor];
  show();
}
function fit() { box = full.slice(); show(); }
svg.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(...at(event), Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.004));
}, {passive: false});
svg.addEventListener("pointerdown", event => { held = {from: at(event), moved: false, id: event.pointerId}; });
svg.addEventListener("pointermove", event => {
  if (!held) return;
  const [x, y] = at(event), dx = x - held.from[0], dy = y - held.from[1];
  if (!held.moved && Math.hypot(dx, dy) < box[2] / 300) return;
  if (!held.moved) { held.moved = true; svg.setPointerCapture(held.id); svg.classList.add("held"); }
  box[0] -= dx; box[1] -= dy; show();
});
function release(event) {
  const clicked = held && !held.moved && event.type === "pointerup";
  held = null; svg.classList.remove("held");
  if (clicked) { fixed = named(event.target); choose(fixed); }
}
svg.addEventListener("pointerup", release);
svg.addEventListener("pointercancel", release);
svg.addEventListener("dblclick", event => zoom(...at(event), 0.5));
document.getElementById("fit").addEventListener("click", fit);
document.addEventListener("keydown", event => {
  if (event.key === "Escape") { fixed = null; choose(null); }
  const [x, y] = [box[0] + box[2] / 2, box[1] + box[3] / 2];
  if (event.key === "+") zoom(x, y, 0.8);
  if (event.key === "-") zoom(x, y, 1.25);
  if (event.key === "0") fit();
});

function named(element) { const group = element.closest("g.box"); return group ? group.dataset.id : null; }
function choose(id) {
  view.classList.toggle("chosen", id !== null);
  const lit = new Set(id === null ? [] : facts.same[id]);
  svg.querySelectorAll("g.wire").forEach(wire => {
    const ends = [wire.dataset.from, ...wire.dataset.to.split(" ")];
    const touched = id !== null && (wire.dataset.from === id || ends.slice(1).includes(id));
    wire.classList.toggle("lit", touched);
    if (touched) (wire.dataset.from === id ? ends : [wire.dataset.from, id]).forEach(end => lit.add(end));
  });
  svg.querySelectorAll("g.box").forEach(group => group.classList.toggle("lit", lit.has(group.dataset.id)));
  tell(id);
}
function tell(id) {
  told.replaceChildren();
  if (id === null) return;
  const fact = facts.boxes[id], add = (tag, text, to = told) => {
    const element = document.createElement(tag);
    element.textContent = text;
    to.append(element);
    return element;
  };
  add("h2", fact.name); add("p", fact.note);
  const table = add("table", "");
  for (const [key, value] of Object.entries(fact.config)) {
    const row = add("tr", "", table);
    add("td", key, row); add("td", typeof value === "string" ? value : JSON.stringify(value), row);
  }
  for (const line of fact.gives) add("p", line).style.marginTop = "10px";
}
svg.addEventListener("pointerover", event => { if (!held && fixed === null) choose(named(event.target)); });
"""


def write_page(figure: Figure, scene: Scene) -> str:
    """The page of a figure, whose picture is the scene."""
    # In a script element only "</" and "<!--" have a meaning of their own.
    facts = json.dumps(_facts(figure), ensure_ascii=False).replace("<", "\\u003c")
    title = html.escape(figure.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<div id="view">
{write_svg(scene)}<button id="fit" title="0">fit</button>
</div>
<aside>
<h1>{title}</h1>
<p>{html.escape(figure.subtitle)}</p>
<p>Wheel: zoom. Drag: move. Point at a box: its neighbours and config; click to hold it, Escape to let go.</p>
<div id="told"></div>
</aside>
<script type="application/json" id="facts">{facts}</script>
<script>
{SCRIPT}</script>
</body>
</html>
"""


def _facts(figure: Figure) -> dict[str, object]:
    """What the script asks for: of each box its words, config and wires, and the boxes of the same node."""
    of_node: dict[str, list[str]] = {}
    wires: dict[str, list[str]] = {}
    for box in figure.boxes:
        of_node.setdefault(box.node or box.id, []).append(box.id)
    for wire in figure.wires:
        wires.setdefault(wire.source, []).append(figure.note(wire))
    boxes = {
        box.id: {
            "name": f"{box.name or box.id} {box.times}",
            "note": box.note,
            "config": dict(box.details),
            "gives": wires.get(box.id, []),
        }
        for box in figure.boxes
    }
    return {"boxes": boxes, "same": {box.id: of_node[box.node or box.id] for box in figure.boxes}}
