"""Transfer to a suite: each set by its own measure, and what is not there is left out with a word."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from graphssl.component import DataFacts, discover
from graphssl.data import open_data
from graphssl.errors import RunError
from graphssl.evaluation import Context, Known, Lack
from graphssl.evaluation.transfer import Transfer
from graphssl.graph.spec import Data

CPU = torch.device("cpu")


def pets(root: Path) -> None:
    """Two classes of very different size, told apart by how light they are, but for one picture of the small one."""
    noise = np.random.default_rng(0)
    base = root / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    (base / "images").mkdir()
    for split, sizes in (("trainval", (40, 20)), ("test", (16, 4))):
        lines = []
        for breed, n in enumerate(sizes):
            for i in range(n):
                level = 60 if breed == 0 or (split == "test" and i == 0) else 190
                pixels = level + noise.integers(0, 20, (20, 24, 3))
                name = f"breed{breed}_{split}{i}"
                Image.fromarray(pixels.astype(np.uint8)).save(base / f"images/{name}.jpg")
                lines.append(f"{name} {breed + 1} 1 1\n")
        (base / f"annotations/{split}.txt").write_text("".join(lines))


def dtd(root: Path) -> None:
    base = root / "dtd/dtd"
    (base / "labels").mkdir(parents=True)
    for split, numbers in (("train1", range(12)), ("val1", range(12, 20)), ("test1", range(20, 28))):
        names = [f"kind{n % 2}/kind{n % 2}_{n:04}.jpg" for n in numbers]
        (base / f"labels/{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for n, name in zip(numbers, names, strict=True):
            (base / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (200 * (n % 2),) * 3).save(base / "images" / name)


@pytest.fixture
def context() -> Context:
    discover()
    section = Data(use="digits", batch=8, size=16)
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    facts = DataFacts(3, 16, 16, 1500, 10, (0.5,) * 3, (0.25,) * 3)
    return Context(network, open_data(section, CPU, 0), facts, (16, 16), 8, CPU, section=section)


def run(context: Context, root: Path, **options: Any) -> Any:
    return Transfer(Transfer.Config.model_validate({"root": str(root), **options})).run(context)


def test_each_set_by_its_measure_and_what_is_not_there_is_said(context: Context, tmp_path: Path) -> None:
    pets(tmp_path)
    dtd(tmp_path)
    options = {"suite": ["pets", "food101", "dtd"], "protocol": "knn", "options": {"k": 3}}
    found = run(context, tmp_path, **options)
    assert found.scores == {"transfer/pets": (1 + 3 / 4) / 2, "transfer/dtd": 1.0}
    assert found.details["sets"]["pets"]["measure"] == "mean per class"
    assert found.details["sets"]["pets"]["scores"]["knn"] == 19 / 20
    assert found.details["sets"]["dtd"]["measure"] == "top-1"
    assert found.details["sets"]["dtd"]["samples"] == 8
    assert list(found.details["skipped"]) == ["food101"]
    (lack,) = lacks(context, tmp_path, **options)
    assert not lack.stops
    assert lack.message.startswith(
        f"of the suite are left out:\n  'food101' is not in '{tmp_path}': download: true fetches it"
    )


def test_a_set_that_cannot_be_judged_on_leaves_the_others(
    context: Context, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pets(tmp_path)
    dtd(tmp_path)
    options = {"suite": ["pets", "dtd"], "protocol": "logistic", "options": {"labels": 12}}
    with caplog.at_level(logging.WARNING, logger="graphssl"):
        found = run(context, tmp_path, **options)
    assert set(found.scores) == {"transfer/pets"}, "dtd has ten pictures of each kind to learn from"
    (said,) = caplog.messages
    assert said == (
        "left out of the suite: dtd: logistic.labels: 12 of each class are asked for, and 'kind0' has 10, "
        "'kind1' has 10"
    )
    with pytest.raises(RunError, match=r"no set of the suite can be judged on:\n  pets: .*\n  dtd: "):
        run(context, tmp_path, **{**options, "options": {"labels": 100}})


@pytest.mark.parametrize("protocol", ["logistic", "linear", "knn"])
def test_all_there_have_a_mean(context: Context, tmp_path: Path, protocol: str) -> None:
    pets(tmp_path)
    dtd(tmp_path)
    options = {"linear": {"epochs": 3, "validation": 0.2}}.get(protocol, {})
    found = run(context, tmp_path, suite=["pets", "dtd"], protocol=protocol, options=options)
    assert found.scores["transfer"] == pytest.approx((found.scores["transfer/pets"] + found.scores["transfer/dtd"]) / 2)
    assert found == run(context, tmp_path, suite=["pets", "dtd"], protocol=protocol, options=options)


def lacks(context: Context, root: Path, **options: Any) -> list[Lack]:
    config = Transfer.Config.model_validate({"root": str(root), **options})
    assert context.section is not None
    return list(Transfer(config).lacks(Known(context.section, True)))


def test_another_protocol_has_its_own_measure(context: Context, tmp_path: Path) -> None:
    pets(tmp_path)
    found = run(context, tmp_path, suite=["pets"], protocol="clusters")
    assert found.details["sets"]["pets"]["measure"] == "normalised mutual information"


def test_none_there(context: Context, tmp_path: Path) -> None:
    (lack,) = lacks(context, tmp_path, suite=["pets", "cifar10"])
    assert (lack.stops, lack.option) == (True, "root")
    assert lack.message.startswith("no set of the suite is there:\n  'pets' is not in")
    with pytest.raises(
        RunError, match=r"no set of the suite is there:\n  'pets' is not in .*\n  'cifar10' is not there"
    ):
        run(context, tmp_path, suite=["pets", "cifar10"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suite": ["petss"]}, "no set of a suite is called 'petss': did you mean 'pets'"),
        ({"suite": ["pets", "pets"]}, "stands in the suite twice"),
        ({"suite": []}, "at least 1"),
        ({"protocol": "lineer"}, "no evaluation is called 'lineer': did you mean 'linear'"),
        ({"protocol": "transfer"}, "transfer is run by another evaluation"),
        ({"protocol": "label_free"}, "label_free says nothing of a set's classes; .*knn, .* do"),
        ({"protocol": "knn", "options": {"kk": 1}}, "options of 'knn': no key is called 'kk' here"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transfer.Config.model_validate(options)
