"""What is said of weights that are loaded: a line where all is well, a table of what became of each name."""

from __future__ import annotations

from collections.abc import Iterator

from .fit import grouped
from .wanted import Loading

__all__ = ["lines"]


def lines(loading: Loading) -> list[str]:
    """`weights of encoder: moco.pth.tar, MoCo: encoder_q.* of 'state_dict'`, and under it what became of the names."""
    fit = loading.fit
    of = f", {fit.format}" if fit.format else ""
    names = f", in {fit.place.spelling.said} names" if fit.place.spelling.said else ""
    total = len(fit.loaded) + len(fit.kept)
    count = f"all {total}" if not fit.kept else f"{len(fit.loaded)} of {total}"
    head = f"weights of {fit.node}: {loading.stored.said}{of}: {fit.place}{names}; {count} loaded"
    return [head, *(f"  {word:<10} {text}" for word, text in _rows(loading))]


def _rows(loading: Loading) -> Iterator[tuple[str, str]]:
    fit = loading.fit
    if fit.kept:
        yield "as drawn", grouped(fit.kept)
    if fit.ignored:
        yield "ignored", grouped(fit.ignored)
    if fit.others:
        yield "left out", f"{grouped(fit.others)}: of other parts"
    for name, how in fit.changed.items():
        yield "changed", f"{name}: {how}"
