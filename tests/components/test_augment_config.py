"""The recipes' configs: defaults as published, per-view values, and what is refused, in the user's words."""

from __future__ import annotations

from typing import Any

import pytest
from augment_parts import chance
from pydantic import ValidationError

from graphssl.component import DataFacts, Sizes, build, find
from graphssl.graph.language.validation import validate

DATA = DataFacts(height=32, width=32)
TWO = ("augment.simclr", "augment.byol", "augment.moco_v1", "augment.moco_v2")


def config(name: str, **values: Any) -> Any:
    return find(name).config(**values)


def wrong(name: str, **values: Any) -> list[str]:
    """The problems of a config as a graph file would have it: key by key, the message."""
    _, problems = validate(find(name).config, values)
    return [f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems]


PUBLISHED: dict[str, dict[str, Any]] = {
    "augment.simclr": {"crop": (0.08, 1.0), "jitter": 0.8, "amounts": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "solarize": 0},
    "augment.byol": {
        "crop": (0.08, 1.0), "jitter": 0.8, "amounts": (0.4, 0.4, 0.2, 0.1), "blur": (1, 0.1), "solarize": (0, 0.2),
    },
    "augment.moco_v1": {"crop": (0.2, 1.0), "jitter": 1, "amounts": (0.4,) * 4, "blur": 0, "solarize": 0},
    "augment.moco_v2": {"crop": (0.2, 1.0), "jitter": 0.8, "amounts": (0.4, 0.4, 0.4, 0.1), "blur": 0.5, "solarize": 0},
    "augment.multicrop": {
        "crop": (0.14, 1.0), "jitter": 0.8, "amounts": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "solarize": 0,
    },
    "augment.dino": {
        "crop": (0.4, 1.0), "jitter": 0.8, "amounts": (0.4, 0.4, 0.2, 0.1), "blur": (1, 0.1, 0.5), "solarize": (0, 0.2, 0),
        "small_crop": (0.05, 0.4), "wide": 2, "small": 8,
    },
    "augment.amdim": {
        "crop": (0.3, 1.0), "ratio": (0.7, 1.4), "jitter": 0.8, "amounts": (0.4, 0.4, 0.4, 0.1), "grey": 0.25, "blur": 0,
        "solarize": 0, "views": 2,
    },
    "augment.npid": {"crop": (0.2, 1.0), "jitter": 1, "amounts": (0.4,) * 4, "blur": 0, "solarize": 0, "views": 1},
    "augment.cmc": {"crop": (0.2, 1.0), "jitter": 0, "grey": 0, "blur": 0, "solarize": 0, "views": 1},
    "augment.cpc": {
        "crop": ((256 / 300) ** 2,) * 2, "ratio": (1, 1), "jitter": 0, "grey": 1, "blur": 0, "solarize": 0, "views": 1,
    },
}  # fmt: skip
USUAL = {"flip": 0.5, "grey": 0.2, "strength": 1, "ratio": (3 / 4, 4 / 3), "sigma": (0.1, 2.0), "size": None}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_ones(name: str) -> None:
    own, published = config(name), {**USUAL, **PUBLISHED[name]}
    amounts = published.pop("amounts", None)
    assert amounts in (None, (own.brightness, own.contrast, own.saturation, own.hue))
    assert {key: getattr(own, key) for key in published} == published


def test_grey_comes_first_in_moco_v1_only() -> None:
    for name in TWO:
        operations = build(find(name), None, Sizes({"h": 32, "w": 32}, DATA)).groups[0][0].operations
        assert (operations[0].use == "grey") == (name == "augment.moco_v1")


def test_every_field_is_described() -> None:
    for name in (*PUBLISHED, "augment.plain"):
        for key, field in find(name).config.model_fields.items():
            assert field.description, f"{name}: {key}"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("augment.byol", {"flip": 0, "blur": 0, "solarize": 0}),
        ("augment.simclr", {"strength": 0.5, "flip": 0, "blur": 0}),
        ("augment.moco_v2", {"flip": 0, "blur": 0}),
        ("augment.simclr", {"size": 32, "flip": 0, "blur": 0}),
        ("augment.byol", {"blur": [1, 0.1], "solarize": [0, 0.2]}),
        ("augment.simclr", {"crop": [0.2, 1], "ratio": [1, 1], "sigma": [1, 1]}),
        ("augment.simclr", {"views": 1}),
        ("augment.simclr", {"views": 4, "blur": [1, 0.1, 0.5, 0]}),
        ("augment.multicrop", {}),
        ("augment.multicrop", {"blur": [1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]}),
        ("augment.multicrop", {"blur": [1, 0.1, 0.5], "grey": [0, 0, 0.2]}),
        ("augment.multicrop", {"wide": 1, "small": 1, "blur": [1, 0.1]}),
        ("augment.dino", {"small": 10}),
        ("augment.dino", {"small": 3, "blur": [1, 0.1, 0.5, 0.5, 0.5]}),
        ("augment.simclr", {"strength": 2.5}),
    ],
)
def test_accepted(name: str, values: dict[str, Any]) -> None:
    assert wrong(name, **values) == []


def test_one_number_is_for_all_views_and_a_list_has_one_for_each() -> None:
    own = config("augment.simclr", flip=0, blur=[1, 0.1])
    views = [own.view(i, DATA) for i in range(2)]
    assert [v.flip for v in views] == [0, 0]
    assert [chance(v, "blur") for v in views] == [1, 0.1]


def test_a_number_more_than_wide_views_is_for_all_small_ones() -> None:
    own = config("augment.dino", small=3)
    views = [own.view(i, DATA) for i in range(own.total)]
    assert [chance(v, "blur") for v in views] == [1, 0.1, 0.5, 0.5, 0.5]
    assert [chance(v, "solarize") for v in views] == [0, 0.2, 0, 0, 0]
    each = config("augment.multicrop", small=2, blur=[1, 0.9, 0.8, 0.7])
    assert [chance(each.view(i, DATA), "blur") for i in range(4)] == [1, 0.9, 0.8, 0.7]


def test_strength_scales_all_four_amounts() -> None:
    view = config("augment.simclr", strength=0.5).view(0, DATA)
    assert view.operations[0].amounts == (0.4, 0.4, 0.4, 0.1)


COUNT = "it is one number, or a list of one for each view"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("augment.byol", {"blur": 2}, "blur: 'blur' is 2; it should be less than or equal to 1"),
        ("augment.byol", {"blur": -0.5}, "blur: 'blur' is -0.5; it should be greater than or equal to 0"),
        ("augment.byol", {"blur": [0.5, 2]}, "blur.1: 'blur' is 2; it should be less than or equal to 1"),
        ("augment.byol", {"blur": "often"}, "blur: 'blur' is 'often'; it should be a number"),
        ("augment.byol", {"blur": [0.5]}, f": blur is a list of 1, and the number of views is 2; {COUNT}"),
        ("augment.byol", {"views": 3}, f": blur is a list of 2, and the number of views is 3; {COUNT}"),
        ("augment.multicrop", {"grey": [0, 1]}, f": grey is a list of 2, and the number of views is 8; {COUNT}"),
        ("augment.dino", {"wide": 3}, f": blur is a list of 3, and the number of views is 11; {COUNT}"),
        ("augment.simclr", {"flip": []}, f": flip is a list of 0, and the number of views is 2; {COUNT}"),
        ("augment.simclr", {"crop": [1, 0.08]}, "crop: a range is [smallest, largest], and 1 is above 0.08"),
        ("augment.simclr", {"crop": [0.5]}, "crop: a range is two numbers, [smallest, largest], and not 1"),
        ("augment.simclr", {"crop": [0.2, 1.5]}, "crop.1: 'crop' is 1.5; it should be less than or equal to 1"),
        ("augment.simclr", {"crop": [0, 1]}, "crop.0: 'crop' is 0; it should be greater than 0"),
        ("augment.simclr", {"ratio": [2, 1]}, "ratio: a range is [smallest, largest], and 2 is above 1"),
        ("augment.simclr", {"sigma": [0, 2]}, "sigma.0: 'sigma' is 0; it should be greater than 0"),
        ("augment.multicrop", {"small_crop": [0.2, 0.1]}, "small_crop: a range is [smallest, largest], and 0.2 is above 0.1"),
        ("augment.simclr", {"strength": 3}, ": hue times strength is 0.6; it is at most 0.5, half a turn"),
        ("augment.simclr", {"strength": -1}, "strength: 'strength' is -1; it should be greater than or equal to 0"),
        ("augment.simclr", {"size": 2}, "size: 'size' is 2; it should be greater than or equal to 4"),
        ("augment.simclr", {"views": 0}, "views: 'views' is 0; it should be greater than 0"),
        ("augment.simclr", {"blurr": 1}, "blurr: no key is called 'blurr' here"),
        ("augment.plain", {"flip": 0}, "flip: no key is called 'flip' here"),
    ],
)  # fmt: skip
def test_refused_with_one_clear_message(name: str, values: dict[str, Any], message: str) -> None:
    assert wrong(name, **values) == [message]


def test_from_python_too() -> None:
    with pytest.raises(ValidationError, match="the number of views is 2"):
        build(find("augment.byol"), None, Sizes({"h": 32, "w": 32}, DATA), blur=[0.1])
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        build(find("augment.byol"), None, Sizes({"h": 32, "w": 32}, DATA), colour=1)
