"""What is known of a set before it is read: nothing is opened, and files are counted when somebody asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from picture_files import config, digits, opened, write_folder

from graphssl.data import facts, folder
from graphssl.graph import spec


def test_facts_agree_with_the_digits() -> None:
    known = facts(spec.Data())
    image = next(digits().reference(2000)).image.double() / 255
    assert (known.samples, known.classes, known.height, known.width) == (1500, 10, 32, 32)
    assert torch.allclose(image.mean((0, 2, 3)), torch.tensor(known.mean).double(), atol=1e-4)
    assert torch.allclose(image.std((0, 2, 3)), torch.tensor(known.std).double(), atol=1e-4)


def test_facts_import_nothing_slow() -> None:
    code = (
        "import sys; from graphssl.graph import spec; from graphssl.data import facts; facts(spec.Data());"
        "assert not {'torchvision', 'sklearn', 'PIL', 'scipy'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("use", "samples", "classes", "size"),
    [
        ("cifar10", 50_000, 10, 32), ("cifar100", 50_000, 100, 32), ("fashion_mnist", 60_000, 10, 28),
        ("svhn", 73_257, 10, 32), ("stl10", 105_000, 10, 96), ("imagenet", 1_281_167, 1000, 224),
    ],
)  # fmt: skip
def test_facts_need_no_files(use: str, samples: int, classes: int, size: int) -> None:
    known = facts(spec.Data(use=use, root="/nowhere"))  # type: ignore[arg-type]
    assert (known.samples, known.classes, known.height, known.width) == (samples, classes, size, size)
    assert all(0 < m < 1 for m in known.mean)
    assert all(0 < s < 0.5 for s in known.std)


def test_facts_count_the_files(tmp_path: Path) -> None:
    root = write_folder(tmp_path, each=7)
    known = facts(config(root, size=None))
    assert (known.samples, known.classes, known.height) == (14, 2, 224)
    missing = facts(config(tmp_path / "nowhere"))
    assert (missing.samples, missing.classes) == (None, None)
    assert opened(root).train.samples == 14


def test_facts_count_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, listed = write_folder(tmp_path, each=7), []
    plain = folder._pictures
    monkeypatch.setattr(folder, "_pictures", lambda w, f, *of: (listed.append(f.name), plain(w, f, *of))[1])
    known = facts(config(root))
    assert (known.height, known.channels) == (16, 3)
    assert not listed
    assert (known.samples, known.classes, known.samples) == (14, 2, 14)
    assert sorted(listed) == ["ant", "ant", "ant", "bee", "bee"], (
        "the held-out split is looked into for a class, then listed: what is in it is not trained on"
    )
