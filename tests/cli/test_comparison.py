"""What `graphssl compare` prints."""

from __future__ import annotations

from printed import table

from graphssl.cli.comparison import WIDEST, comparison_text
from graphssl.track import Comparison, FoundRun, MetricRow


def found(name: str) -> FoundRun:
    return FoundRun(f"id-{name}", name, "0", {}, {}, {}, "FINISHED", 0)


def test_runs_side_by_side() -> None:
    comparison = Comparison(
        (found("one"), found("two")),
        {"nodes.critic.temperature": ("0.2", None), "flow.s": ("x" * (WIDEST + 1), "y" * WIDEST)},
        (MetricRow("loss", (0.123456789, None), (0.1, None)), MetricRow("knn", (0.5, 0.25), (None, 0.75))),
    )
    text = comparison_text(comparison)
    differs, metrics = table(text, "what differs "), table(text, "metric: last (best) ")
    assert text.startswith("what differs")
    assert differs == {"nodes.critic.temperature": ["0.2", "-"], "flow.s": ["x" * (WIDEST - 1) + "…", "y" * WIDEST]}
    assert list(metrics) == ["knn", "loss"]
    assert metrics == {"knn": ["0.5", "0.25 (0.75)"], "loss": ["0.12346 (0.1)", "-"]}


def test_runs_that_differ_in_nothing_and_logged_nothing() -> None:
    runs = (found("one"), found("two"))
    assert comparison_text(Comparison(runs, {}, ())) == "The graphs are the same.\n\nNo metrics were logged."
