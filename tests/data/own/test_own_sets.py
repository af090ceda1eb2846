"""A data set of a user's own: a class in a file of `components:` that has everything that built-in sets have."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from own_sets import FACTS, own_set
from picture_files import closing, same
from pydantic import create_model

from graphssl import api
from graphssl.api import check
from graphssl.component import DataFacts
from graphssl.data import Datasets, open_data
from graphssl.data.fit import Fit
from graphssl.data.own.registry import DatasetError, Facts, dataset
from graphssl.errors import RunError
from graphssl.graph.spec.datasets import DATA_SETS

OPEN: list[Datasets] = []
_closing = pytest.fixture(autouse=True)(closing)


def opened(path: Path, *sets: str) -> Datasets:
    data = open_data(check(path, ["data.workers=0", *sets]).graph.spec.data, CPU, 0)
    OPEN.append(data)
    return data


def noise(i: int) -> torch.Tensor:
    picture = np.random.RandomState(i).randint(0, 256, (20 + i % 3, 24, 3)).astype(np.uint8)
    return torch.from_numpy(picture).permute(2, 0, 1)


def test_it_trains_from_yaml_alone(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(SIMCLR, own_set(tmp_path), ("epochs: 2,", "epochs: 1, compile: off,"))
    result = api.run(path, ["data.count=50"], device="cpu", report=lambda _: None)
    assert result.outcome.step == 2  # 45 to train on, 16 at a time
    assert "knn" in result.outcome.scores


@pytest.mark.parametrize("resident", ["memory", "workers"])
def test_a_tenth_is_held_out_by_number(write: Write, tmp_path: Path, resident: str) -> None:
    data = opened(write(SIMCLR, own_set(tmp_path)), f"data.resident={resident}")
    assert (data.train.samples, data.held_out, data.classes) == (54, 6, ("0", "1", "2"))
    numbers = [int(data._train.files.paths[i].split()[1]) for i in range(54)]  # type: ignore[attr-defined]
    assert len(set(numbers)) == 54
    whole = list(data.reference(54))
    assert [int(label) for label in whole[0].label] == [number % 3 for number in numbers]
    held = next(data.test(6))
    left = sorted(set(range(60)) - set(numbers))
    assert held.label.tolist() == [number % 3 for number in left]
    assert torch.equal(held.image, torch.stack([Fit(16, 16)(noise(number)) for number in left]))


def test_a_split_of_its_own_and_what_is_known_before(write: Write, tmp_path: Path) -> None:
    path = write(SIMCLR, own_set(tmp_path, facts="60, 9, ['cat', 'dog', 'elk'], 32", test="Split(100, 9)"))
    facts = check(path).data
    assert facts == DataFacts(3, 32, 32, 60, 3, DATA_SETS["hf"].mean, DATA_SETS["hf"].std, None)
    data = opened(path)
    assert (data.train.samples, data.held_out, data.classes) == (60, 9, ("cat", "dog", "elk"))


def test_batches_are_the_same_with_workers_and_when_a_run_is_resumed(write: Write, tmp_path: Path) -> None:
    path = write(SIMCLR, own_set(tmp_path))
    one = opened(path, "data.resident=workers")
    epoch = list(one.train.epoch(1))
    assert same(list(one.train.epoch(1, start=2)), epoch[2:])
    two = opened(path, "data.resident=workers", "data.workers=2")
    assert same(list(two.train.epoch(1)), epoch)
    assert same(list(opened(path, "data.resident=memory").train.epoch(1)), epoch)
    assert one.fingerprint == two.fingerprint != opened(path, "data.count=61").fingerprint


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (
            "if i == 7: raise KeyError('no such row')",
            "noise.py:17: `if i == 7: raise KeyError('no such row')`). Mend what its",
        ),
        ("image = image.astype('int32')", "its values are int32, and the data says uint8"),
        ("image = image[..., :2]", "it has 2 channels of uint8, and the data says 3 channels of uint8"),
        ("image = b'none'", "no known picture format"),
        ("image = '/nowhere/a.jpg'", "No such file or directory"),
    ],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_fails_is_named(write: Write, tmp_path: Path, item: str, shown: str, workers: int) -> None:
    path = write(SIMCLR, own_set(tmp_path, item))
    with pytest.raises(RunError) as caught:
        list(opened(path, "data.resident=workers", f"data.workers={workers}").reference(8))
    assert shown in str(caught.value)
    assert "sample " in str(caught.value)


STARTED = """
import multiprocessing
import sys

import graphssl

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    print(graphssl.run(sys.argv[1], ["data.workers=1", "data.resident=workers"], device="cpu").outcome.step)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_no_copies_read_it(write: Write, tmp_path: Path, method: str) -> None:
    """As on macOS, and on Linux from Python 3.14 on: the class is found by its file."""
    path = write(SIMCLR, own_set(tmp_path), ("epochs: 2,", "epochs: 1, compile: off,"))
    script = tmp_path / "start.py"
    script.write_text(STARTED)
    done = subprocess.run(
        [sys.executable, script, path, method], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["3"], done.stderr  # 54 to train on, 16 at a time


def test_a_set_that_cannot_be_sent_to_other_processes_says_so(write: Write, tmp_path: Path) -> None:
    files = opened(write(SIMCLR, own_set(tmp_path)), "data.resident=workers")._train.files  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(files)).fingerprint == files.fingerprint
    files._dataset.unsendable = lambda: None
    with pytest.raises(RunError, match=r"cannot be handed to the processes that read pictures: .*lambda.*workers: 0"):
        pickle.dumps(files)


def test_a_sample_that_fails_is_passed_over(write: Write, tmp_path: Path) -> None:
    path = write(SIMCLR, own_set(tmp_path, "assert i != 7", test="Split(60, 9)", facts="60, 9, 3, 16"))
    data = opened(path, "data.on_bad_image=skip")
    assert data.train.samples == 59
    where = f"AssertionError ({tmp_path / 'noise.py'}:17: `assert i != 7`)"
    assert data.bad.names == [f"sample 7 of 'noise' ({split}): {where}" for split in ("test", "train")]


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ("label = 'cat'", "is 'cat': a label is an int from 0, or None"),
        ("label = 1.0", "is 1.0: a label is an int from 0, or None"),
        ("label = True", "is True: a label is an int from 0, or None"),
        ("label = 3", "is 3: a label is an int from 0, below 3, the number of classes, or None"),
        ("return image", "is of type ndarray: `__getitem__` should give two, (picture, label)"),
        ("return image, label, i", "is 3 values: `__getitem__` should give two, (picture, label)"),
        ("__import__('sys').exit(4)", "ends the process at sample "),
        ("__import__('sys').exit(4)", "of 'noise' (train): sys.exit(4)"),
        ("image = {}", "is of type dict: one of Pillow's pictures, an array"),
    ],
)
def test_what_is_no_sample_stops_the_run(write: Write, tmp_path: Path, item: str, shown: str) -> None:
    with pytest.raises(RunError) as caught:
        opened(write(SIMCLR, own_set(tmp_path, item)), "data.on_bad_image=skip", "data.workers=1")
    assert shown in str(caught.value)
    assert "of 'noise' (train)" in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [
        "image = image.transpose(2, 0, 1)",
        "image = torch.from_numpy(image)",
        "image = __import__('PIL.Image').Image.fromarray(image)",
        "import io; f = io.BytesIO(); __import__('PIL.Image').Image.fromarray(image).save(f, 'PNG'); image = f.getvalue()",
        "import numpy; label = numpy.int64(label)",
    ],
)
def test_forms_of_pictures_and_labels(write: Write, tmp_path: Path, item: str) -> None:
    plain = list(opened(write(SIMCLR, own_set(tmp_path))).reference(60))
    (tmp_path / "two").mkdir()
    change = own_set(tmp_path / "two", item)
    other = write(SIMCLR, (change[0], change[1].replace("./noise.py", "./two/noise.py")), name="two.yaml")
    del DATA_SETS["noise"]
    assert same(list(opened(other).reference(60)), plain)


def test_samples_without_labels_train_and_are_not_judged(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change = own_set(tmp_path, "label = None", facts="config.count, size=16")
    path = write(SIMCLR, change, ("epochs: 2,", "epochs: 1, compile: off,"))
    said: list[str] = []
    result = api.run(path, device="cpu", report=said.append)
    assert result.outcome.step == 3
    assert any("no labels" in line for line in said)


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ({"facts": "samples=61, size=16"}, "has 60 samples, and its `facts` say `samples`: 61"),
        ({"test": "Split(60, 5)"}, "has 5 samples, and its `facts` say `test`: none"),
        ({"facts": "60, 5, 3, 16"}, "has none samples, and its `facts` say `test`: 5"),
        ({"split": "raise OSError('the disk is gone')"}, "`split('train')` of the data set 'noise' failed: OSError: the disk is gone"),
        ({"split": "return iter([])"}, "a map-style Dataset has `__getitem__` and `__len__`"),
        ({"split": "return None"}, "has no training split"),
    ],
)  # fmt: skip
def test_splits_that_are_not_as_was_said(write: Write, tmp_path: Path, parts: dict[str, str], shown: str) -> None:
    with pytest.raises(RunError) as caught:
        opened(write(SIMCLR, own_set(tmp_path, **parts)))
    assert shown in str(caught.value)


def test_what_is_wrong_is_told_at_its_place_and_with_the_rest(write: Write, tmp_path: Path) -> None:
    path = write(SIMCLR, own_set(tmp_path), ("use: noise,", "use: noise, cuont: 5, window: 2,"), ("temperature", "tmp"))
    found = problems_of(check, path)
    assert "no key is called 'cuont' here" in found[0]
    assert "did you mean 'count'?" in found[0]
    assert "'window' is for 'webdataset' alone, and the data set is 'noise'" in found[1]
    assert "no key is called 'tmp' here" in found[2]


def test_an_unknown_set_is_told_once(write: Write, tmp_path: Path) -> None:
    (found,) = problems_of(check, write(SIMCLR, own_set(tmp_path), ("use: noise,", "use: noize, count: 3,")))
    assert "'use' is 'noize', which is none of the choices" in found
    assert "did you mean 'noise'?" in found
    (tmp_path / "noise.py").write_text("1 / 0")
    path = write(
        SIMCLR, ("data: {use: digits,", "components: [./noise.py]\ndata: {use: noize, count: 3,"), name="b.yaml"
    )
    (tmp_path / "broken.py").write_text("1 / 0")
    path.write_text(path.read_text().replace("./noise.py", "./broken.py"))
    (found,) = problems_of(check, path)
    assert "'./broken.py' does not load: ZeroDivisionError" in found


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ({"facts": "samples='many'"}, "`facts` of the data set 'noise': samples is 'many', and should be a count"),
        ({"facts": "nothing=1"}, "`facts` of the data set 'noise' failed: TypeError"),
        ({"options": "root: str\n        @classmethod\n        def x(cls): pass"}, "'root' is missing"),
    ],
)
def test_check_asks_for_the_facts(write: Write, tmp_path: Path, parts: dict[str, str], shown: str) -> None:
    (found,) = problems_of(check, write(SIMCLR, own_set(tmp_path, **parts)))
    assert shown in found
    assert "graph.yaml:" in found


def test_options_of_other_sets_are_its_own_where_it_declares_them(write: Write, tmp_path: Path) -> None:
    change = own_set(tmp_path, options="root: str\n        window: str = 'a'")
    checked = check(write(SIMCLR, change, ("use: noise,", "use: noise, root: here, window: b,")))
    assert (checked.graph.spec.data.root, checked.graph.spec.data.window) == ("here", "b")


def test_another_set_has_no_use_for_its_options(write: Write, tmp_path: Path) -> None:
    write(SIMCLR, own_set(tmp_path), ("use: noise,", "use: noise, count: 50,"), name="parent.yaml")
    child = write("extends: parent.yaml\ndata: {use: digits}\n", name="child.yaml")
    assert check(child).graph.spec.data.use == "digits"
    assert check(tmp_path / "parent.yaml", ["data.use=digits"]).graph.spec.data.use == "digits"


class Nothing:
    @classmethod
    def facts(cls, config: object) -> Facts:
        return Facts()

    def split(self, name: str) -> None:
        return None


def test_what_cannot_be_a_set_is_told_when_it_is_registered() -> None:
    assert dataset("nothing")(Nothing) is Nothing
    with pytest.raises(DatasetError, match="needs a method split"):
        dataset("x")(type("X", (), {"facts": Nothing.facts}))
    with pytest.raises(DatasetError, match="Config is no pydantic model"):
        dataset("x")(type("X", (Nothing,), {"Config": int}))
    with pytest.raises(DatasetError, match="two data sets are called 'digits'"):
        dataset("digits")(Nothing)
    taken = type("X", (Nothing,), {"Config": create_model("Config", batch=(int, 1))})
    with pytest.raises(DatasetError, match="the option 'batch' is the framework's"):
        dataset("x")(taken)


def test_facts_are_used_by_banks(write: Write, tmp_path: Path) -> None:
    """A bank has an entry for each sample, which only the facts say before the set is opened."""
    change = own_set(tmp_path, facts=FACTS)
    nodes = ("others:    {use: negatives.in_batch}", "others:    {use: negatives.memory_bank, sample: 8}")
    calls = ("others(z)", "others(batch.index)"), ("loss:\n", "update: {others: 'store(batch.index, z[0])'}\nloss:\n")
    checked = check(write(SIMCLR, change, nodes, *calls))
    assert 54 in [buffer.shape[0] for buffer in checked.shapes.modules["others"].buffers() if buffer.ndim]
