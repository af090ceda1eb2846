"""What may be wrong with the facts of a data set, told by its field, and what its Dataset may do wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from own_sets import FACTS, own_set
from PIL import Image

from graphssl.api import check
from graphssl.data import facts, open_data
from graphssl.data.decoding.arrays import of_array, of_pillow
from graphssl.data.decoding.form import RGB
from graphssl.data.own.checking import wrong_in
from graphssl.data.own.registry import Facts
from graphssl.errors import RunError
from graphssl.graph.read import load
from graphssl.graph.spec.datasets import DATA_SETS

THREE = [0.4, 0.4, 0.4]


@pytest.fixture(autouse=True)
def _forgotten() -> Any:
    yield
    DATA_SETS.pop("noise", None)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"samples": "9"}, "samples is '9', and should be a count"),
        ({"samples": 0}, "samples is 0, and should be a count from 1"),
        ({"samples": True}, "samples is True"),
        ({"test": -1}, "test is -1, and should be a count"),
        ({"size": "x"}, "size is 'x', and should be a whole number of pixels from 4 to 4096, or two"),
        ({"size": 3}, "size is 3"),
        ({"size": (32,)}, "size is (32,)"),
        ({"size": (32, 2.5)}, "size is (32, 2.5)"),
        ({"size": None}, "size is None"),
        ({"channels": "3"}, "channels is '3', and should be a whole number from 1 to 1,024"),
        ({"channels": 0}, "channels is 0"),
        ({"dtype": "uint9"}, "no dtype is called 'uint9'; did you mean 'uint8'?"),
        ({"mean": THREE}, "mean and std come together, and std is not there"),
        ({"std": THREE}, "mean and std come together, and mean is not there"),
        ({"mean": THREE, "std": [0.2, 0, 0.2]}, "std has 0, and should have numbers above 0"),
        ({"mean": [float("nan"), 0, 0], "std": THREE}, "mean has nan, and should have finite numbers"),
        ({"mean": THREE, "std": [float("inf"), 1, 1]}, "std has inf, and should have finite numbers"),
        ({"mean": 0.5, "std": THREE}, "mean is 0.5, and should be a list of a number for each channel"),
        ({"mean": ["a", "b", "c"], "std": THREE}, "mean is ['a', 'b', 'c']"),
        ({"mean": [127.5, 51, 51], "std": THREE}, "largest value of uint8, 255, is 1: [0.5, 0.2, 0.2]"),
        ({"mean": [30000.0], "std": [0.2], "channels": 1, "dtype": "uint16"}, "[0.4578]"),
        ({"classes": ["a", "b", "a"]}, "classes has the name 'a' twice"),
        ({"classes": ["a", 1]}, "classes has 1 among its names"),
        ({"classes": "ab"}, "classes is 'ab', and should be a count, or None, or a list of names"),
    ],
)
def test_each_field_that_is_wrong_is_named(given: dict[str, Any], shown: str) -> None:
    assert shown in str(wrong_in(Facts(**given)))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"samples": np.int64(9), "test": 0, "classes": ("a", "b"), "size": [32, 48]},
        {"mean": np.array(THREE), "std": tuple(THREE)},
        {"mean": [900.0], "std": [120.0], "channels": 1, "dtype": "float32"},
    ],
)
def test_what_may_be(given: dict[str, Any]) -> None:
    assert wrong_in(Facts(**given)) is None


def test_check_tells_it_in_one_message(write: Write, tmp_path: Path) -> None:
    (found,) = problems_of(check, write(SIMCLR, own_set(tmp_path, facts="config.count, size='x'")))
    assert "`facts` of the data set 'noise': size is 'x'" in found


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("{use: noise, batch: 16, mean: [120, 110, 100], std: [1, 1, 1]}", "[0.4706, 0.4314, 0.3922]"),
        ("{use: image_folder, root: ., mean: [1, 1, 1], std: [58, 57, 57]}", "[0.2275, 0.2235, 0.2235]"),
        ("{use: image_folder, root: ., mean: [.nan, 1, 1], std: [1, 1, 1]}", "3:43: a number is finite"),
        ("{use: image_folder, root: ., mean: [1, 1, 1], std: [.inf, 1, 1]}", "3:59: a number is finite"),
        ("{use: image_folder, root: []}", "'root' is an empty list: it should name a folder"),
        ("{use: image_folder, root: ['']}", "'root' is a list with an empty name"),
        ("{use: digits, size: [32]}", "'size' is a list of 1; it should have 2"),
        ("{use: digits, size: []}", "'size' is a list of 0; it should have 2"),
        ("{use: digits, size: [32, 32, 3]}", "'size' is a list of 3; it should have at most 2"),
    ],
)
def test_options_of_data_are_told_plainly(write: Write, tmp_path: Path, given: str, shown: str) -> None:
    use, _ = own_set(tmp_path)
    change = (use + " batch: 16}", f"components: [./noise.py]\ndata: {given}")
    (found,) = problems_of(check, write(SIMCLR, change))
    assert shown in found


def test_units_of_floats_are_anybodys(write: Write, tmp_path: Path) -> None:
    use, own = own_set(tmp_path, facts="config.count, dtype='float32', size=16")
    known = facts(load(write(SIMCLR, (use, f"{own} mean: [300, 300, 300], std: [9, 9, 9],"))).spec.data)
    assert (known.mean, known.std) == ((300,) * 3, (9,) * 3)


def test_a_closed_picture_is_a_bad_one(write: Write, tmp_path: Path) -> None:
    item = "from PIL import Image; image = Image.fromarray(image); image.close() if i == 7 else None"
    path = write(SIMCLR, own_set(tmp_path, item))
    with pytest.raises(RunError, match=r"read: sample 7 of 'noise' \(train\): .*closed"):
        open_data(check(path, ["data.workers=0"]).graph.spec.data, CPU, 0)


@pytest.mark.parametrize(
    ("test", "said", "shown"),
    [
        ("Split(60, 9)", FACTS, "Say Facts(test=9), or return None: a tenth"),
        ("None", f"{FACTS}, test=9", "Return a Dataset of so many, or say in `facts` what there is: test=None"),
    ],
)
def test_splits_that_are_not_as_said_say_what_to_do(
    write: Write, tmp_path: Path, test: str, said: str, shown: str
) -> None:
    path = write(SIMCLR, own_set(tmp_path, test=test, facts=said))
    with pytest.raises(RunError) as caught:
        open_data(check(path).graph.spec.data, CPU, 0)
    assert shown in str(caught.value)


def test_the_same_samples_are_not_both_splits(write: Write, tmp_path: Path) -> None:
    kept = "self.both = getattr(self, 'both', None) or Split(0, 60); return self.both"
    path = write(SIMCLR, own_set(tmp_path, split=kept, facts=f"{FACTS}, test=60"))
    with pytest.raises(RunError, match=r"gives what `split\('train'\)` gives"):
        open_data(check(path).graph.spec.data, CPU, 0)


def test_transparency_is_dropped_of_arrays_as_of_pictures() -> None:
    values = np.random.RandomState(0).randint(0, 256, (20, 24, 4)).astype(np.uint8)
    wanted = of_pillow(Image.fromarray(values), RGB)
    assert of_array(values, RGB).equal(wanted)
    assert of_array(values.transpose(2, 0, 1), RGB).equal(wanted)
