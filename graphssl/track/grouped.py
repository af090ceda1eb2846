"""What metrics are called where they are kept: under groups, as the pages of MLflow and TensorBoard show them.

| group | what | as people say it |
| --- | --- | --- |
| `loss/total`, `loss/TERM` | the loss, its terms | `loss`, `loss/TERM` |
| `mi/TERM` | bounds of mutual information | `mi/TERM` |
| `eval/knn`, `eval/knn/top5` | evaluations | `knn`, `knn/top5` |
| `collapse/VALUE/std` | collapse monitors of a value | `VALUE/std` |
| `train/lr` | how it trains | `lr` |
| `system/images_per_second` | the machine | `images_per_second` |
| `study/runs`, `study/best/knn` | a study as a whole | `runs`, `best/knn` |

Whoever logs a metric says its group. Commands, tables and results have the short words. Runs of before have those in
their stores and files, too: `grouped` says which metric that is.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["LOSS", "RATE", "SPEED", "best_of", "evaluated", "grouped", "grouped_all", "monitored", "short", "term"]

LOSS, RATE, SPEED = "loss/total", "train/lr", "system/images_per_second"
SHORT = {LOSS: "loss", RATE: "lr", SPEED: "images_per_second", "study/runs": "runs"}
TERM_CALLED_TOTAL = f"{LOSS} term"  # which no term's own name can be

GROUPS = ("loss", "mi", "eval", "collapse", "train", "system", "study")
UNSAID = ("eval", "collapse", "study")  # groups that people leave out
MONITORS = ("std", "effective_rank", "effective_rank_share", "alignment", "uniformity", "cosine")
LIKE_MONITORS = ("label_free",)  # an evaluation some of whose figures are called as monitors are


def term(name: str) -> str:
    """Of a term of the loss."""
    return TERM_CALLED_TOTAL if name == "total" else f"loss/{name}"


def evaluated(metric: str) -> str:
    """Of what an evaluation measures: `knn`, `knn/top5`, `knn k 5 on pets`."""
    return f"eval/{metric}"


def monitored(value: str, monitor: str) -> str:
    """Of a collapse monitor of a value of the flow."""
    return f"collapse/{value}/{monitor}"


def best_of(metric: str) -> str:
    """Of the best cell of a study."""
    return f"study/best/{metric}"


def short(name: str) -> str:
    """A metric as people say it: `knn` for `eval/knn`, and for `knn`."""
    name = grouped(name)
    if name in SHORT:
        return SHORT[name]
    if name == TERM_CALLED_TOTAL:
        return LOSS
    group, _, rest = name.partition("/")
    return rest if group in UNSAID else name


def grouped(name: str) -> str:
    """A metric's name under its group, also of one from before there were groups.

    >>> grouped("loss"), grouped("knn/top5"), grouped("s/std"), grouped("collapse/s/std")
    ('loss/total', 'eval/knn/top5', 'collapse/s/std', 'collapse/s/std')
    """
    name = name if "/" in name else _of_files(name)
    group, _, rest = name.partition("/")
    if group in GROUPS and rest:
        return name
    if group == "best" and rest:
        return f"study/{name}"
    if name in SHORT.values():
        return next(full for full, said in SHORT.items() if said == name)
    if rest in MONITORS and group.partition(" ")[0] not in LIKE_MONITORS:
        return f"collapse/{name}"
    return f"eval/{name}"


def _of_files(name: str) -> str:
    """A store of files has points in the place of slashes."""
    first, _, rest = name.partition(".")
    if first in (*GROUPS, "best") and rest:
        head, _, monitor = rest.rpartition(".")
        return f"{first}/{head}/{monitor}" if first == "collapse" and head else f"{first}/{rest}"
    value, _, monitor = name.rpartition(".")
    return f"{value}/{monitor}" if value and monitor in MONITORS else name


def grouped_all(names: Iterable[str]) -> dict[str, str]:
    """`grouped` of all the metrics of a run, which know of one another: beside `loss`, `loss/total` is a term."""
    every = list(names)
    terms = {LOSS: TERM_CALLED_TOTAL, "loss.total": TERM_CALLED_TOTAL} if "loss" in every else {}
    return {name: terms.get(name) or grouped(name) for name in every}
