"""Names and values as MLflow takes them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graphssl.track.names import clean_name, clip, flatten


def test_flatten() -> None:
    nested = {
        "graph": "byol",
        "nodes": {"encoder": {"use": "encoder.resnet", "depth": 10, "norm": None}, "empty": {}},
        "train": {"lr": 1e-3, "channels_last": True},
        "of": ["encoder", {"a": 1}],
    }
    assert flatten(nested) == {
        "graph": "byol",
        "nodes.encoder.use": "encoder.resnet",
        "nodes.encoder.depth": "10",
        "nodes.encoder.norm": "null",
        "nodes.empty": "{}",
        "train.lr": "0.001",
        "train.channels_last": "true",
        "of": '["encoder", {"a": 1}]',
    }


def test_long_values_and_equal_names_are_kept_apart() -> None:
    flat = flatten({"a[0]": "x" * 9000, "a(0)": 1, "a.0": 2, "b" * 300: 3, "b" * 299: 4})
    assert len(flat["a_0_"]) == 6000
    assert flat["a_0_"].endswith("…")
    assert flat["a_0__2"] == "1"
    assert flat["a.0"] == "2"
    assert all(len(name) <= 250 for name in flat)
    assert sorted(flat.values())[1:4] == ["2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("loss/byol", "loss/byol"),
        ("a b-c.d_e", "a b-c.d_e"),
        ("x[0]=1,2", "x_0__1_2"),
        ("/a//b/", "_/a/_/b/_"),
        ("../b/.", "_/b/_"),
        ("", "_"),
        ("größe", "größe"),
    ],
)
def test_clean_name(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_clip() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"


def test_importing_is_cheap() -> None:
    code = "import sys, graphssl.track; print([m for m in ('mlflow', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
