"""The commands that get features out of a run, as a user types them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from picture_files import picture, write_folder
from typed_commands import Type

import graphssl


@pytest.fixture(scope="session")
def photos(folder: Path) -> Path:
    write_folder(folder / "photos", parts=("train",), each=3)
    (folder / "mixed").mkdir()
    picture(5).save(folder / "mixed/good.png")
    (folder / "mixed/bad.png").write_bytes(b"nothing")
    return folder


@pytest.mark.usefixtures("photos")
def test_embed_writes_a_table(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    said = typed("embed", runs[0], "photos", "mixed/good.png", "--device", "cpu")
    assert said == "wrote features.parquet: 7 pictures, 64 features each, of 'encoder'\n"
    found = pd.read_parquet(folder / "features.parquet")
    assert found.file.tolist()[0] == "photos/train/ant/000.jpg"
    assert np.stack(found.features).shape == (7, 64)
    said = typed("embed", runs[0], "photos", "-o", "z.csv", "--node", "z", "--batch", "2")
    assert said == "wrote z.csv: 6 pictures, 8 features each, of 'z'\n"
    assert pd.read_csv(folder / "z.csv").shape == (6, 2 + 8)


@pytest.mark.usefixtures("photos")
def test_embed_stops_at_a_bad_picture_or_says_what_it_left_out(
    typed: Type, folder: Path, runs: tuple[str, str]
) -> None:
    said = typed("embed", runs[0], "mixed", "-o", "mixed.csv", code=1)
    assert "'mixed/bad.png' cannot be read as a picture: no known picture format" in said
    assert not (folder / "mixed.csv").exists()
    assert typed("embed", runs[0], "mixed", "-o", "mixed.csv", "--skip").splitlines() == [
        "wrote mixed.csv: 1 picture, 64 features each, of 'encoder'",
        "left out, as they cannot be read: 1 picture",
        "  mixed/bad.png: no known picture format",
    ]


@pytest.mark.usefixtures("photos")
def test_neighbours_are_drawn_and_listed(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    first, *rows, last = typed("neighbours", runs[0], "mixed/good.png", "photos", "-k", "3").splitlines()
    assert first == "nearest to mixed/good.png"
    assert [row.split()[1].startswith("photos/train/") for row in rows] == [True] * 3
    assert last == "wrote neighbours.png"
    assert (folder / "neighbours.png").read_bytes().startswith(b"\x89PNG")
    said = typed("neighbours", runs[0], "photos", code=2)
    assert "name a picture, or more, and last the folder to look in: neighbours one QUERY.jpg photos" in said


PAGE = (Path(__file__).parent.parent.parent / "docs/features.md").read_text()


@pytest.mark.usefixtures("photos")
def test_the_page_does_what_it_says(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    """Its commands, then its Python, in their order, where `byol-1` is the run, in a folder with these pictures."""
    picture(3).save(folder / "query.jpg")
    write_folder(folder / "photos", parts=(".",), each=1)
    blocks = re.findall(r"```(python|bash)\n(.*?)```", PAGE, re.DOTALL)
    commands = [text.strip() for language, text in blocks if language == "bash"]
    assert len(commands) == 3
    for command in (*commands, *(f"graphssl embed byol-1 photos/ -o features.{ending}" for ending in ("csv", "npz"))):
        words = command.replace("byol-1", runs[0]).split()
        small = words[1] == "export"  # the tests' encoder is of 8 channels, which torchvision has not
        said = typed(*words[1:], code=2 if small else 0)
        assert ("torchvision has no network" if small else "wrote ") in said
    names: dict[str, Any] = {}
    for text in (text for language, text in blocks if language == "python"):
        exec(text.replace("byol-1", runs[0]), names)
    assert names["done"].output == Path("features.npz")
    assert len(names["found"].queries[0].nearest) == 3
    ours = graphssl.embed(runs[0], "photos/ant/000.jpg", device="cpu").numpy()
    assert np.allclose(names["features"], ours, atol=1e-2), "the last lines are of numpy and ONNX alone"
    x = torch.randn(2, 3, 32, 32)
    given = names["session"].run(None, {"image": x.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(names["model"](x).numpy(), given, atol=1e-4)
