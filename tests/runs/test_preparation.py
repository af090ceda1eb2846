"""The preprocessing that a model card gives, by torchvision or by numpy, is the one that an evaluation does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SIMCLR, Write
from picture_files import picture

from graphssl.checks.checked import validated
from graphssl.data.decode import decode
from graphssl.data.known import fit_of
from graphssl.evaluation.embedding import prepare
from graphssl.runs.export.preparing import numpy_code, torchvision_code
from graphssl.runs.preparation import preparation

SETS = {
    "size: 24": "scaled (bilinear, antialiased), the shorter side to 24 px; the centre 24 x 24 cut out",
    "size: 24, eval: {resize: 40, crop: 32}": "scaled (bilinear, antialiased), the shorter side to 40 px; the centre 32 x 32 cut out",
    "size: [24, 40]": "scaled (bilinear, antialiased), to cover 24 x 40 px; the centre 24 x 40 cut out",
    "size: [40, 24], eval: {resize: 28}": "scaled (bilinear, antialiased), to cover 46 x 28 px; the centre 40 x 24 cut out",
}


@pytest.mark.parametrize("data", SETS)
def test_its_code_is_what_an_evaluation_does(tmp_path: Path, write: Write, data: str) -> None:
    text = SIMCLR.replace("{use: digits, batch: 16}", f"{{use: image_folder, root: nowhere, batch: 16, {data}}}")
    checked = validated(write(text))
    found = preparation(checked, "encoder")
    assert found is not None
    assert found.sizes().startswith(SETS[data])
    by_torchvision: dict[str, Any] = {}
    by_numpy: dict[str, Any] = {}
    exec("\n".join(torchvision_code(found)), by_torchvision)
    exec("\n".join(numpy_code(found)), by_numpy)
    assert "torch" not in by_numpy
    facts, taken = checked.data, checked.image_size("encoder")
    for seed, (height, width) in enumerate(((40, 90), (90, 40), (64, 64), (20, 33))):
        path = tmp_path / f"{seed}.png"
        picture(seed, height, width).save(path)
        image = fit_of(checked.graph.spec.data)(decode(path.read_bytes()))
        wanted = prepare(image[None], facts.mean, facts.std, taken)[0]
        given = by_torchvision["prepare"](picture(seed, height, width))
        assert given.shape == wanted.shape
        torch.testing.assert_close(given, wanted, rtol=1e-5, atol=1e-5)
        given = torch.from_numpy(by_numpy["prepare"](picture(seed, height, width)))
        assert given.shape == wanted.shape
        torch.testing.assert_close(given, wanted, rtol=0, atol=1.01 / 255 / min(facts.std))  # a byte rounded otherwise
        assert (given - wanted).abs().mean() < 0.2 / 255 / min(facts.std)


def test_what_takes_no_pictures_has_none(write: Write) -> None:
    assert preparation(validated(write(SIMCLR)), "projector") is None
