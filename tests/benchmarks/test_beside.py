"""`beside` keeps what each training learned, goes on where it was stopped, and says how sure a difference is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_scripts import Script, cells

BESIDE = ("--batch", "8", "--queue", "16", "--epochs", "2", "--every", "1", "--width", "8")


def test_beside_keeps_what_is_done_and_goes_on(
    run: Callable[..., str], script: Script, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, record = script("beside"), tmp_path / "record.jsonl"
    asked = ("--images", str(pictures), "--record", str(record), "--method", "moco_v2", *BESIDE)
    monkeypatch.setattr(beside, "SIDES", {"graphssl": beside.Ours, "lightly": beside.Ours})  # also where it is not
    monkeypatch.setattr(beside.importlib.util, "find_spec", lambda _name: True)
    run("beside", *asked, "--seeds", "0")
    record.write_text(record.read_text() + '{"method": "moco_v2", "seed": 1, "si')  # killed as it wrote
    trained, seeds = beside.trained, []
    monkeypatch.setattr(
        beside, "trained", lambda setting, seed, *rest: seeds.append(seed) or trained(setting, seed, *rest)
    )
    text = run("beside", *asked, "--seeds", "0", "1", "--plot", str(tmp_path / "curves.png"))
    assert seeds == [1]
    assert cells(text, "moco_v2")[0] == "2"
    assert "+0.00" in text, "one seed of one graph is the same twice"
    assert (tmp_path / "curves.png").stat().st_size > 1000
    found = beside.kept(record, {})
    assert [(r["seed"], r["side"]) for r in found] == [(s, side) for s in (0, 1) for side in ("graphssl", "lightly")]
    assert all(list(r["knn"]) == ["0", "1", "2"] and r["steps"] == 4 and r["seconds"] > 0 for r in found)
    with pytest.raises(SystemExit, match=r"results of epochs 2, and not 3: name another --record"):
        run("beside", *asked, "--epochs", "3")


def test_the_difference_of_two_sides_is_welch_s(script: Script) -> None:
    from scipy.stats import ttest_ind

    ours, theirs = [0.51, 0.54, 0.55], [0.50, 0.47, 0.52]
    difference, half = script("beside").compared(ours, theirs)
    expected = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (difference - half, difference + half) == pytest.approx((expected.low, expected.high))
