"""`peers` has the whole loop beside lightly's: the same arithmetic, from memory and files, and alone."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from benchmark_scripts import METHODS, TINY, Script, cells, number
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_both_sides_of_peers_do_the_same_arithmetic(script: Script, method: str, tmp_path: Path) -> None:
    pytest.importorskip("lightly")
    peers, device = script("peers"), torch.device("cpu")
    setting = script("methods").Setting(method, "small", 32, 8)
    options = argparse.Namespace(workers=0, compile=False)
    peers.pictures(None, 32, 8, tmp_path / "pictures")
    flops = []
    for side in (peers.ours, peers.Lightly):
        epoch = side(setting, tmp_path / "pictures", "memory", options, device)
        with FlopCounterMode(display=False) as counter:
            epoch()
        flops.append(counter.get_total_flops())
    assert flops[0] == pytest.approx(flops[1], rel=0.01), "but for the loss and the crops as matrix products"


@pytest.mark.slow
def test_peers_has_both_sides_from_memory_and_from_files(run: Callable[..., str], pictures: Path) -> None:
    pytest.importorskip("lightly")
    text = run("peers", *TINY, "--batches", "1", "--images", str(pictures / "train"))
    for method in METHODS:
        for source in ("memory", "files"):
            speed, ratio, _ = cells(text, f"{method}: graphssl, {source}")
            (peer,) = cells(text, f"{method}: lightly, {source}")
            assert min(number(speed), number(ratio), number(peer)) > 0


def test_peers_runs_where_lightly_is_not_installed(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "lightly" else found(name, *a))
    text = run("peers", *TINY, "--method", "moco_v2", "--batches", "1")
    assert number(cells(text, "moco_v2: graphssl, files")[0]) > 0
    assert "lightly," not in text


def test_peers_takes_pictures_from_all_over_the_folder(script: Script, pictures: Path, tmp_path: Path) -> None:
    script("peers").pictures(pictures / "train", 32, 4, tmp_path / "some")
    shown = [Image.open(p).getpixel((0, 0)) for p in sorted((tmp_path / "some" / "train").rglob("*.png"))]
    assert shown == [(0, 90, 0), (20, 90, 80), (200, 90, 0), (220, 90, 80)]
    with pytest.raises(SystemExit, match="has 16 pictures and 17 are needed"):
        script("peers").pictures(pictures / "train", 32, 17, tmp_path / "more")
