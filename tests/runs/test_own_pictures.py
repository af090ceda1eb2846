"""Pictures of other kinds, each trained on for an epoch from YAML alone, and evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from band_files import deep_png, npy, tiff, values
from conftest import SIMCLR, Write
from own_sets import own_set

import graphssl
from graphssl import api

WRITERS = {
    "tif": lambda a: tiff(a, photometric="minisblack", planarconfig="contig"),
    "npy": npy,
    "png": deep_png,
}
CHAIN = "augment:   {use: augment.chain, operations: [crop, flip]}"
PLAIN = ("augment:   {use: augment.simclr, flip: 0, blur: 0}", CHAIN), ("epochs: 2,", "epochs: 1, compile: off,")


@pytest.mark.parametrize(
    ("kind", "channels", "dtype"),
    [("tif", 4, "uint16"), ("npy", 5, "float32"), ("png", 3, "uint16"), ("npy", 1, "uint8")],
)
@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_bands_and_depths(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, channels: int, dtype: str, resident: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(24):
        folder = tmp_path / "tiles" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:02d}.{kind}").write_bytes(WRITERS[kind](values(i, channels, dtype, 36 + i % 3, 40)))
    statistics = f"mean: {[0.5] * channels}, std: {[0.29] * channels}"
    line = (
        f"data: {{use: image_folder, root: tiles, size: 32, batch: 8, channels: {channels}, dtype: {dtype}, "
        f"resident: {resident}, workers: 0, {statistics}}}"
    )
    path = write(SIMCLR, ("data: {use: digits, batch: 16}", line), *PLAIN)
    result = api.run(path, device="cpu", report=lambda _: None)
    assert result.outcome.step == 2
    assert "knn" in result.outcome.scores
    assert 0 < result.outcome.loss < 20
    features = graphssl.embed(result.folder.name, "tiles", device="cpu")
    assert features.shape[0] == 24
    array = values(0, channels, dtype, 36, 40)
    assert torch.allclose(graphssl.embed(result.folder.name, array, device="cpu"), features[:1], atol=1e-4)
    found = graphssl.neighbours(result.folder.name, f"tiles/a/00.{kind}", "tiles", output="near.png", device="cpu")
    assert (tmp_path / "near.png").exists()
    assert len(found.queries) == 1


def test_a_set_of_ones_own_of_four_bands(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    item = "image = np.concatenate([image, image[..., :1]], 2).astype(np.uint16) * 257"
    facts = 'config.count, classes=3, size=16, channels=4, dtype="uint16", mean=[0.5] * 4, std=[0.29] * 4'
    result = api.run(write(SIMCLR, own_set(tmp_path, item, facts), *PLAIN), device="cpu", report=lambda _: None)
    assert result.outcome.step == 3
    assert "knn" in result.outcome.scores
