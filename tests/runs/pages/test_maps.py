from __future__ import annotations

import builtins
import math
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from PIL import Image

from graphssl.runs.pages.entries import Entry
from graphssl.runs.pages.features import Features
from graphssl.runs.pages.maps import WITHOUT, map_section, pca, spectrum_section, umap_of
from graphssl.runs.pages.nearest import nearest_section, queries_of


def features_of(values: torch.Tensor, labels: list[int], classes: tuple[str, ...] = ("cat", "dog")) -> Features:
    pictures = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(len(labels))]
    return Features(values, torch.tensor(labels), classes, pictures, "encoder", "the pictures of a test")


ENTRY = Entry("a", ())


def test_pca_finds_the_directions_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(400, 2, generator=generator, dtype=torch.float64) * torch.tensor([5.0, 2.0])
    basis, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))
    found, shares = pca(flat @ basis[:2] + 7)
    variances = flat.var(0) / flat.var(0).sum()
    assert shares == pytest.approx(variances.tolist(), abs=0.01)
    lengths, wanted = (one.square().sum(1) for one in (found, flat - flat.mean(0)))
    assert torch.allclose(lengths, wanted)
    again, _ = pca(flat @ basis[:2] + 7)
    assert torch.equal(found, again)


@pytest.mark.parametrize("shape", [(5, 1), (1, 5), (2, 2)])
def test_pca_of_few_dimensions_or_pictures(shape: tuple[int, int]) -> None:
    found, shares = pca(torch.arange(math.prod(shape), dtype=torch.float32).view(shape))
    assert found.shape == (shape[0], 2)
    assert bool(found.isfinite().all())
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_gives_the_same_again() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(3, 8).repeat_interleave(20, 0)
    values = centres + 0.01 * torch.randn(60, 8, generator=generator)
    first, second = umap_of(values), umap_of(values)
    assert isinstance(first, torch.Tensor)
    assert isinstance(second, torch.Tensor)
    assert torch.equal(first, second)
    within = torch.cdist(first[:20], first[:20]).max()
    between = torch.cdist(first[:20], first[20:]).min()
    assert within < between


@pytest.mark.slow
def test_umap_leaves_torch_its_threads() -> None:
    """In a process of its own: numba sets them when it first computes."""
    code = (
        "import torch\nfrom graphssl.runs.pages.maps import umap_of\n"
        "found = umap_of(torch.randn(40, 8))\nassert isinstance(found, torch.Tensor), found\nprint(torch.get_num_threads())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert done.stdout == "1\n", done.stderr


def test_where_umap_has_nothing_to_say_it_is_said() -> None:
    assert "too few" in str(umap_of(torch.randn(5, 4)))
    assert "collapsed" in str(umap_of(torch.ones(50, 4)))


def test_without_umap_the_maps_are_pca_s(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return whole(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    section = map_section([ENTRY], {0: features_of(torch.randn(20, 4), [0, 1] * 10)})
    assert WITHOUT in section.content
    text = section.html()
    assert "plot-pca-0" in text
    assert "plot-umap-0" not in text


def test_of_many_classes_those_with_the_most_pictures_have_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [number for number in range(15) for _ in range(15 - number)] + [-1]
    monkeypatch.setattr("graphssl.runs.pages.maps.umap_of", lambda _: "no map")
    found = features_of(torch.randn(len(labels), 4), labels, tuple(f"c{i}" for i in range(15)))
    *_, (plot,) = map_section([ENTRY], {0: found}).content
    assert [trace["name"] for trace in plot.traces] == ["others", *(f"c{i}" for i in range(10))]  # type: ignore[union-attr]


def test_the_spectrum_falls_from_one() -> None:
    values = torch.diag(torch.tensor([4.0, 2.0, 1.0, 0.0])).repeat(3, 1)
    values = values - values.mean(0)
    *_, plot = spectrum_section([ENTRY], {0: features_of(values, [0] * 12)}).content
    (trace,) = plot.traces  # type: ignore[union-attr]
    shares = trace["y"].tolist()
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 3  # what is nothing but rounding has no place on a logarithm's axis


def test_the_nearest_are_those_of_the_largest_cosine() -> None:
    values = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [2, 0.5], [-1, 0]])
    text = nearest_section([ENTRY], {0: features_of(values, [0, 0, 1, 1, 0, 1])}).html()
    first = text.partition("</ul>")[0]
    places = [int(part.split(",")[0]) for part in first.split('alt="picture ')[1:]]
    assert places == [0, 1, 4, 3, 2, 5]
    assert 'class="same"' in first
    assert 'class="other"' in first
    assert "picture 1, of class cat" in first


def test_queries_are_of_different_classes() -> None:
    assert queries_of(features_of(torch.randn(6, 2), [0, 0, 0, 1, 1, 1])) == [0, 3]
    assert queries_of(features_of(torch.randn(3, 2), [-1, -1, -1])) == [0, 1, 2]
    assert queries_of(features_of(torch.randn(1, 2), [-1])) == [0]
