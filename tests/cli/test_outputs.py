"""The commands that get features out of a run, as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from picture_files import picture, write_folder
from typed_commands import Type


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
