"""What the benchmarks share: turns, ratios, the matrix peak, the command that begins a result, and wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from benchmark_scripts import Script


def test_a_ratio_is_within_a_turn(script: Script) -> None:
    slow_and_quiet, busy = [2.0, 4.0, 2.0], [3.0, 6.0, 1.0]  # the second turn was disturbed
    assert script("common").ratios(slow_and_quiet, busy) == ("1.500", "0.500 - 1.500")


def test_functions_take_turns_after_one_warm_up_each(script: Script) -> None:
    calls: list[str] = []
    seconds = script("common").interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert [len(s) for s in seconds.values()] == [2, 2]


def test_the_matrix_peak_is_that_of_the_fastest_product(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    common = script("common")
    monkeypatch.setattr(common, "interleave", lambda functions, repeats: {"": [0.5, 0.25, 1.0]})
    assert common.matrix_peak(torch.device("cpu"), torch.float32) == 2 * 1024**3 / 0.25


def test_a_result_begins_with_its_command(run: Callable[..., str]) -> None:
    text = run("scaling", "--sweep", "queue", "--points", "2", "--repeats", "1")
    assert text.startswith("# python benchmarks/scaling.py --sweep queue --points 2 --repeats 1\n")


def test_a_command_names_folders_and_leaves_out_where_it_writes(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/a/peers.py", "--images", "/b/my pictures", "--output=/c/x.txt"])
    assert script("common").command() == "python benchmarks/peers.py --images 'my pictures'"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("overhead", ["--batch", "0"], "argument --batch: '0' is no whole number above 0"),
        ("overhead", ["--threads", "x"], "argument --threads: 'x' is no whole number above 0"),
        ("overhead", ["--device", "gpu"], "argument --device: 'gpu' is no device here"),
        ("peers", ["--workers", "-1"], "argument --workers: it is below 0"),
        ("learn", ["--jobs", "0"], "argument --jobs: '0' is no whole number above 0"),
        ("scaling", ["--plot", "x.foo"], "argument --plot: it is a .png"),
        ("scaling", ["--redraw", "nothing.txt"], "argument --redraw: that is no result of this benchmark"),
    ],
)
def test_a_wrong_argument_is_one_line(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, options: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.argv", [f"{name}.py", *options])
    with pytest.raises(SystemExit) as stop:
        script(name).main()
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
