"""What is said where a set has no labels: of each kind where it would have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_sets import own_set

from graphssl.code import load_file
from graphssl.data.known import whence_labels
from graphssl.graph.spec.data import data_section
from graphssl.graph.spec.datasets import DATA_SETS


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"use": "image_folder", "root": "p"}, "pictures in a folder for each class"),
        ({"use": "image_folder", "root": "p", "labels": "none"}, "`labels: none` says so"),
        ({"use": "image_folder", "files": "p.txt"}, "a .csv with the columns path and label"),
        ({"use": "image_folder", "files": "p.csv"}, "its column 'label' has none"),
        ({"use": "webdataset", "root": "p.tar"}, ".cls file"),
        ({"use": "hf", "path": "p"}, "`label` names a column"),
        ({"use": "hf", "path": "p", "label": "none"}, "`label: none` says so"),
        ({"use": "noise"}, "`classes` in its `facts`"),
    ],
)
def test_each_kind_has_its_own_words(tmp_path: Path, given: dict[str, str], shown: str) -> None:
    own_set(tmp_path)
    load_file(tmp_path / "noise.py", "noise.py")
    assert shown in whence_labels(data_section(given["use"]).model_validate(given))
    del DATA_SETS["noise"]
