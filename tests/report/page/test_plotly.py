from __future__ import annotations

import builtins
import json
import re
from typing import Any

import pytest

from graphssl.errors import RunError
from graphssl.report.page import Axis, Cloud, Interval, Line, Plot, check_plotly, clouds, curves, intervals, parallel
from graphssl.report.page.plots import short

BAD = "</script><script>alert(1)</script>"


def spec(plot: Plot) -> dict[str, Any]:
    (found,) = re.findall(r"<script [^>]*>(.*?)</script>", plot.html())
    return dict(json.loads(found))


PLOTS = {
    "curves": curves("a", BAD, BAD, [Line(BAD, [0, 1], [1.0, 2.0], name=BAD)], BAD),
    "intervals": intervals("a", BAD, BAD, [Interval(BAD, 0.5, 0.4, 0.6, [0.4, 0.6])]),
    "parallel": parallel("a", BAD, BAD, [Axis(BAD, [0, 1], [BAD, "b"]), Axis("lr", [0.1, 10], log=True)], [1, 2]),
    "clouds": clouds("a", BAD, BAD, [Cloud(BAD, [0.5], [1.5]), Cloud("b", [1], [2])]),
}


@pytest.mark.parametrize("name", PLOTS)
def test_no_text_ends_the_script_that_it_stands_in(name: str) -> None:
    text = PLOTS[name].html()
    assert text.count("<script") == 1  # that of the plot's data
    assert "alert(1)</script>" not in text
    assert "<script>" not in json.dumps(spec(PLOTS[name]))  # Plotly, too, takes some of HTML for markup


def test_lines_of_a_group_have_one_place_in_the_legend() -> None:
    lines = [Line("a", [0, 1], [1, 2], 0, thin=True), Line("a", [0, 1], [1, 2], 0), Line("b", [0, 1], [1, 2], 1)]
    traces = spec(curves("c", "", "", lines, "step"))["data"]
    assert [trace["showlegend"] for trace in traces] == [False, True, True]
    assert {trace["legendgroup"] for trace in traces} == {"a", "b"}


def test_an_interval_is_drawn_from_its_ends() -> None:
    rows = [Interval("a", 0.5, 0.4, 0.7, [0.4, 0.6], 0), Interval("b", 0.6, None, None, [0.6], 1)]
    _, first, second = spec(intervals("c", "", "", rows))["data"]
    assert first["error_x"]["array"] == pytest.approx([0.2])
    assert first["error_x"]["arrayminus"] == pytest.approx([0.1])
    assert second.get("error_x") in (None, {})


def test_rows_of_one_name_are_two_rows() -> None:
    rows = [Interval("same", 0.5, None, None, [0.5]), Interval("same", 0.6, None, None, [0.6])]
    layout = spec(intervals("c", "", "", rows))["layout"]
    assert len(set(layout["yaxis"]["categoryarray"])) == 2


def test_values_that_are_equal_do_not_blow_up_an_axis() -> None:
    low, high = spec(intervals("c", "", "", [Interval("a", 0.98, None, None, [0.98])]))["layout"]["xaxis"]["range"]
    assert 0.9 < low < 0.98 < high < 1.05


def test_long_names_are_cut_in_their_middle() -> None:
    assert short("a" * 40 + "end") == "a" * 15 + "…" + "a" * 11 + "end"
    assert short("1 < 2") == "1 &lt; 2"


def test_what_lacks_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name == "plotly":
            raise ImportError(name)
        return whole(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RunError, match=r"pip install 'graphssl\[pages\]'"):
        check_plotly()
