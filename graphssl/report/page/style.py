"""How a page looks, in light and in dark, wide and narrow; and the script that hands its plots to Plotly."""

from __future__ import annotations

__all__ = ["PALETTE", "SCRIPT", "STYLE", "color"]

# Each at least 3 to 1 against white and against the dark page; people with any colour vision tell neighbours apart.
PALETTE = (
    "#2f7fd0", "#d9662a", "#23946b", "#c0509f", "#a07d13", "#6f6bd6", "#cf4a55", "#2a92a8", "#7b8a2b", "#9a6a4f",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")
OTHER = "#8a8f98"


def color(number: int | None) -> str:
    """Of the thing of that number; None: grey, of what is one of many."""
    return OTHER if number is None else PALETTE[number % len(PALETTE)]


def dash(number: int | None) -> str:
    """Of the line of that number: those that share a colour differ in it."""
    return DASHES[0] if number is None else DASHES[number // len(PALETTE) % len(DASHES)]


STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f6f7f9; --ink: #1c2026; --soft: #565d67; --edge: #d5d9df; --link: #0b5cad;
  --mark: #b4540a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --raised: #1d2127; --ink: #e6e8eb; --soft: #a5acb6; --edge: #3a4049; --link: #7ab8f5;
    --mark: #f0a25b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 3.2rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px;
}
.skip { position: absolute; left: -100vw; top: 0; background: var(--paper); padding: .6rem 1rem; z-index: 2000; }
.skip:focus { left: 0; }
header, main, footer { max-width: 1200px; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; padding-top: .6rem; border-top: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; overflow-wrap: anywhere; }
p { margin: .3rem 0 .8rem; max-width: 46rem; overflow-wrap: anywhere; }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
nav { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--edge); z-index: 1500; }
nav ul {
  display: flex; gap: .25rem 1.1rem; list-style: none; margin: 0 auto; max-width: 1200px; padding: .5rem 1.25rem;
  overflow-x: auto; white-space: nowrap; font-size: .95rem;
}
ul.notes { border-left: 4px solid var(--mark); margin: .8rem 0; padding: .2rem 0 .2rem 1.6rem; max-width: 60rem; }
ul.notes li { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; max-width: 100%; margin: .4rem 0 1rem; position: relative; }
.scroll.tall { max-height: 36rem; overflow-y: auto; border-bottom: 1px solid var(--edge); }
.tall thead th { position: sticky; top: 0; background: var(--paper); }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; }
th, td { padding: .3rem .8rem .3rem .5rem; border-bottom: 1px solid var(--edge); text-align: left; }
th, td { vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); white-space: nowrap; }
tbody th { font-weight: 600; }
td, tbody th { max-width: 26rem; overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
.best { font-weight: 700; }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .45em; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .6rem 1.4rem; }
.side > * { min-width: 0; }
figure { margin: .6rem 0 1rem; min-width: 0; }
figcaption { font-weight: 600; color: var(--ink); font-size: .95rem; overflow-wrap: anywhere; }
figure details { margin-top: .2rem; }
summary { cursor: pointer; color: var(--link); font-size: .9rem; width: fit-content; padding: .15rem 0; }
.plot { width: 100%; }
.paper { background: #fff; border-radius: 6px; border: 1px solid var(--edge); padding: .4rem; }
.drawn svg { display: block; width: 100%; height: auto; }
img { max-width: 100%; height: auto; }
img.pixels { image-rendering: pixelated; }
.near { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; margin: .3rem 0 .9rem; }
.near li { width: 76px; font-size: .75rem; line-height: 1.25; overflow-wrap: anywhere; color: var(--soft); }
.near img { display: block; border: 2px solid var(--edge); border-radius: 3px; }
.near .query { padding-right: .5rem; border-right: 2px solid var(--edge); width: 86px; }
.near .same img { border-color: #23946b; }
.near .other img { border-color: #d9662a; border-style: dashed; }
footer { margin-top: 3rem; padding-bottom: 2rem; border-top: 1px solid var(--edge); padding-top: .8rem; }
code { font-size: .9em; overflow-wrap: anywhere; }
.js-plotly-plot .plotly text { fill: var(--ink) !important; }
.js-plotly-plot .plotly .gridlayer path { stroke: var(--edge) !important; }
.js-plotly-plot .plotly .zerolinelayer path { stroke: var(--edge) !important; }
.js-plotly-plot .plotly .legend .bg, .js-plotly-plot .plotly .modebar { fill: transparent !important; }
.js-plotly-plot .plotly .modebar-btn .icon path { fill: var(--soft) !important; }
.js-plotly-plot .plotly .hovertext text { fill: #fff !important; }
.js-plotly-plot .parcoords text { text-shadow: 0 0 3px var(--paper), 0 0 3px var(--paper) !important; }
.js-plotly-plot .parcoords .axis path, .js-plotly-plot .parcoords .axis line { stroke: var(--soft) !important; }
.js-plotly-plot .parcoords .axis-extent { display: none; }
@media (max-width: 600px) {
  body { font-size: 15px; }
  header, main, footer { padding-left: .9rem; padding-right: .9rem; }
  nav ul { padding-left: .9rem; padding-right: .9rem; }
  h1 { font-size: 1.35rem; }
  th, td { padding: .3rem .5rem .3rem .3rem; }
  tbody th { max-width: 42vw; overflow-wrap: anywhere; }
}
@media print { nav, .skip { display: none; } .scroll.tall { max-height: none; } }
"""

# Plots are drawn as they come near: a page may have dozens.
SCRIPT = """\
(function () {
  function draw(data) {
    var place = document.getElementById(data.dataset.plot), spec = JSON.parse(data.textContent);
    Plotly.newPlot(place, spec.data, spec.layout, spec.config).then(function () { place.dataset.drawn = "yes"; });
  }
  var waiting = new Map();
  var watch = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) {
      if (!one.isIntersecting || !waiting.has(one.target)) return;
      draw(waiting.get(one.target));
      waiting.delete(one.target);
      watch.unobserve(one.target);
    });
  }, {rootMargin: "600px"});
  document.querySelectorAll("script[data-plot]").forEach(function (data) {
    var place = document.getElementById(data.dataset.plot);
    waiting.set(place, data);
    watch.observe(place);
  });
  window.addEventListener("beforeprint", function () {
    waiting.forEach(function (data) { draw(data); });
    waiting.clear();
  });
})();
"""
