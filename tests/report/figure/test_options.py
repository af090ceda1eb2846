"""What expressions say of pairs and views, where they say it."""

from __future__ import annotations

from pathlib import Path as File

from conftest import BYOL, MOCO
from figures import read

from graphssl.report.figure.options import options_of


def options(tmp_path: File, *changes: tuple[str, str], text: str = BYOL) -> set[tuple[str, str]]:
    graph, _ = read(tmp_path, text, *changes)
    return {(span.text[span.column - 1 :][: span.length], text) for span, text in options_of(graph).items()}


def test_options_are_told_where_they_are_written(tmp_path: File) -> None:
    assert options(tmp_path) == {("critic(p, z, pairs=cross)", "cross pairs")}
    assert options(tmp_path, text=MOCO) == set()


def test_options_deep_in_an_expression_and_in_the_loss_are_found(tmp_path: File) -> None:
    found = options(
        tmp_path, ("projector(encoder(x))", "projector(encoder(x, views=fold), views=each)"),
        ("  s: critic(p, z, pairs=cross)\n", ""), ("objective(s)", "2 * objective(critic(p, z, pairs=cross))"),
    )  # fmt: skip
    told = {text.split("(")[0]: option for text, option in found}
    assert (told["encoder"], told["projector"], told["critic"]) == ("views folded", "each view", "cross pairs")


def test_options_of_weighted_terms_are_found(tmp_path: File) -> None:
    found = options(
        tmp_path, ("  s: critic(p, z, pairs=cross)\n", ""),
        ("byol: objective(s)", "byol: {value: 'objective(critic(p, z, pairs=cross))', weight: 2}"),
    )  # fmt: skip
    assert found == {("critic(p, z, pairs=cross)", "cross pairs")}


def test_the_default_is_not_told(tmp_path: File) -> None:
    assert options(tmp_path, ("pairs=cross", "pairs=zip")) == set()
