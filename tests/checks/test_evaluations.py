"""What evaluations need of the data and do not find there: each says it of counts alone, before there are features."""

from __future__ import annotations

from typing import Any

import pytest

from graphssl.checks.evaluations import Known, Lack, lacks_of, told_of
from graphssl.data.counted import Counts
from graphssl.evaluation import Evaluation
from graphssl.evaluation.registry import find_evaluation
from graphssl.graph.spec import Data

DATA = Data(use="digits")


def counts(
    learning: tuple[int, ...] | None, judging: tuple[int, ...] | None = (4, 4, 4), pictures: int = 100
) -> Counts:
    n = 3 if judging is None else len(judging)
    classes, held = tuple("abcdefgh"[:n]), sum(judging or (9,))
    return Counts(classes, pictures, sum(learning or (9,)), held, held, "nowhere", learning, judging)


def built(name: str, **options: Any) -> Evaluation:
    kind = find_evaluation(name)
    return kind(kind.Config.model_validate(options))


def lacks(name: str, found: Counts | None, views: bool = True, **options: Any) -> list[Lack]:
    return lacks_of({name: built(name, **options)}, Known(DATA, views, found)).get(name, [])


FIVE = (5, 5, 5)
CASES: list[tuple[str, dict[str, Any], Counts, str | None, str]] = [
    ("knn", {"k": 15}, counts(FIVE), None, ""),
    ("knn", {"k": [5, 16, 20]}, counts(FIVE), "k", "16 and 20 neighbours are asked for, and there are 15"),
    ("linear", {"labels": 5, "validation": 0.2}, counts(FIVE), None, ""),
    ("linear", {}, counts((6, 1, 1)), None, ""),
    ("linear", {}, counts(FIVE), "validation", "0.1 holds out nothing, as no class has 6 labelled pictures"),
    ("linear", {"labels": 0.1}, counts((50, 50, 50)), "validation", "0.1 holds out nothing"),
    ("linear", {"validation": 0.6}, counts((1, 1, 1)), "validation", "as no class has 2 labelled pictures to learn from"),
    ("linear", {"labels": 6}, counts((6, 5, 4)), "labels", "6 of each class are asked for, and 'b' has 5, 'c' has 4"),
    ("logistic", {"labels": 6}, counts((6, 5, 6)), "labels", "6 of each class are asked for, and 'b' has 5"),
    ("logistic", {"labels": 5}, counts(FIVE), None, ""),
    ("logistic", {"labels": 0.0001}, counts(FIVE), None, ""),
    ("logistic", {"labels": 2}, counts((1,) * 5, (1,) * 5), "labels", "'c' has 1, and 2 more classes have too few"),
    ("finetune", {"labels": 1}, counts(FIVE), "validation", "holds out none, and there are several rates"),
    ("finetune", {"labels": 1, "lr": [0.1]}, counts(FIVE), None, ""),
    ("finetune", {"lr": [0.1]}, counts(None, None), None, "the labels of this data set are known only when"),
    ("retrieval", {"k": [14]}, counts(FIVE), None, ""),
    ("retrieval", {"k": [1, 15]}, counts(FIVE), "k", "recall at 15 would be 1 whatever is measured: 15 pictures"),
    ("retrieval", {"gallery": "held_out", "k": [11]}, counts(FIVE), "k", "11 pictures are searched"),
    ("retrieval", {"k": [1], "gallery": "held_out"}, counts(FIVE, (1, 1, 1)), "gallery", "no held-out picture has"),
    ("clusters", {"k": 12}, counts(FIVE), None, ""),
    ("clusters", {"k": 13}, counts(FIVE), "k", "12 labelled held-out pictures cannot be parted into 13 clusters"),
    ("clusters", {}, counts(FIVE, (1, 1, 0)), "k", "2 labelled held-out pictures cannot be parted into 3 clusters"),
    ("clusters", {}, counts(FIVE, (0, 9, 0)), "part", "the labelled held-out pictures are all of one class, 'b'"),
    ("clusters", {"part": "training", "k": 16}, counts(FIVE), "k", "15 labelled training pictures cannot be parted"),
    ("label_free", {}, counts(FIVE), None, ""),
    ("label_free", {}, counts(FIVE, pictures=1), None, "label_free needs at least two training pictures"),
    ("label_free", {}, counts(FIVE, pictures=13), "fit", "alpha_req is left out: 13 pictures have fewer than 13"),
    ("label_free", {"seen": 200}, counts(FIVE), "seen", "there are 100 training pictures: all of them are taken"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "found", "option", "message"), CASES)
def test_what_is_not_there_is_said_with_the_option_that_asks_for_it(
    name: str, options: dict[str, Any], found: Counts, option: str | None, message: str
) -> None:
    said = lacks(name, found, **options)
    assert [(lack.option, message in lack.message) for lack in said] == [(option, True)] * bool(message), said


def test_layer_decay_of_what_has_no_layers_in_order() -> None:
    for ordered, said in ((False, ["layer_decay"]), (True, []), (None, [])):
        known = Known(DATA, True, counts((9, 9, 9)), ordered)
        assert [one.option for one in built("finetune", layer_decay=0.7).lacks(known)] == said
        assert list(built("finetune").lacks(known)) == []


def test_what_changes_a_number_or_leaves_one_out_stops_nothing() -> None:
    small = counts((3, 3, 3))
    (lack,) = lacks("retrieval", small)
    assert (lack.stops, lack.message) == (
        False, "recall at 10 would be 1 whatever is measured: 9 pictures are searched; it is left out",
    )  # fmt: skip
    assert lacks("retrieval", small, k=[1, 10])[0].stops, "which was asked for"
    assert [lack.stops for lack in lacks("knn", small)] == [False]
    (lack,) = lacks("label_free", counts((9, 9)), views=False)
    assert (lack.stops, lack.message) == (
        False, "lidar and alignment are left out: the graph has no node that makes views",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["knn", "linear", "logistic", "retrieval", "clusters", "label_free"])
def test_where_nobody_knows_nothing_is_said(name: str) -> None:
    assert lacks(name, None) == []
    assert lacks(name, counts(None, None)) == []


def test_without_labels_that_alone_is_said_and_once() -> None:
    none = Counts((), 20, 0, 4, 0, "folders would have them", (), ())
    several = {name: built(name) for name in ("linear", "clusters", "label_free")}
    (told,) = told_of(several, Known(DATA, True, none))
    assert told.line == "linear, clusters is left out: the data set has no labels; folders would have them"
    assert (told.lack.stops, told.lack.prevents) == (False, True)
    (told,) = told_of({"linear": built("linear")}, Known(DATA, True, none))
    assert told.line == "evaluation is left out: the data set has no labels; folders would have them"


def test_classes_that_nothing_can_be_learnt_of_are_said_once() -> None:
    (told,) = told_of(
        {name: built(name) for name in ("knn", "logistic", "retrieval")},
        Known(DATA, True, counts((20, 20, 0), (1, 1, 3))),
    )
    assert told.line == (
        "knn, logistic: 3 held-out pictures are of the class 'c', of which there is none to learn from: they count as "
        "wrong"
    )
    assert not told.lack.prevents
