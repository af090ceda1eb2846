"""The section `data:`: which options a data set takes."""

from __future__ import annotations

import pytest

from graphssl.graph import spec
from graphssl.graph.language.validation import validate
from graphssl.graph.spec import GraphFile


def test_keys_of_shards_are_refused_elsewhere_all_at_once() -> None:
    sections = {"graph": "g", "nodes": {}, "flow": {}, "loss": {}}
    found = validate(GraphFile, {**sections, "data": {"test": "x", "samples": 5, "window": 3}})[1]
    assert [(w.path, w.message) for w in found] == [
        (("data", key), f"'{key}' is for {spec.users_of(key)[0]}, and the data set is 'digits'")
        for key in ("test", "samples", "window")
    ]
    resolved = spec.Data().model_dump(mode="json")
    assert not validate(GraphFile, {**sections, "data": resolved})[1], "the defaults, written out"


@pytest.mark.parametrize(
    ("use", "option", "message"),
    [
        ("digits", {"root": "x"}, "'root' is for sets that are not embedded, and the data set is 'digits'"),
        ("digits", {"download": True}, "'download' is for sets that can be fetched, and the data set is 'digits'"),
        ("imagenet", {"download": True}, "'download' is for sets that can be fetched, and the data set is 'imagenet'"),
        ("digits", {"workers": 0}, "'workers' is for pictures in files, and the data set is 'digits'"),
        ("cifar10", {"decode": "cpu"}, "'decode' is for pictures in files, and the data set is 'cifar10'"),
        ("svhn", {"on_bad_image": "skip"}, "'on_bad_image' is for pictures in files, and the data set is 'svhn'"),
        ("stl10", {"resident": "workers"}, "'resident: workers' is for pictures in files, and the data set is 'stl10'"),
        ("imagenet", {"files": "x"}, "'files' is for 'image_folder' alone, and the data set is 'imagenet'"),
        ("webdataset", {"root": ["a"]}, "several roots are for 'image_folder' alone, and the data set is 'webdataset'"),
        (
            "cifar10",
            {"held_out": 0.2},
            "'held_out' is for sets that have no held-out split of their own, and the data set is 'cifar10'",
        ),
        ("image_folder", {"window": 3}, "'window' is for 'webdataset' alone, and the data set is 'image_folder'"),
    ],
)
def test_an_option_that_a_set_has_no_use_for(use: str, option: dict[str, object], message: str) -> None:
    rest = {"graph": "g", "nodes": {}, "flow": {}, "loss": {}}
    root = {} if use == "digits" else {"root": "r"}
    found = validate(GraphFile, {**rest, "data": {"use": use, **root, **option}})[1]
    assert [(w.path, w.message, w.hint) for w in found] == [(("data", next(iter(option))), message, None)]


def test_options_that_a_set_has_a_use_for() -> None:
    common = {"batch": 4, "size": 32, "resident": "memory", "last": "keep"}
    files = {"root": "r", "workers": 1, "decode": "cpu", "on_bad_image": "skip", "resident": "workers"}
    assert spec.Data.model_validate(common)
    assert spec.Data.model_validate({**common, "use": "cifar10", "root": "r", "download": True})
    for use in ("imagenet", "image_folder", "webdataset"):
        assert spec.Data.model_validate({**common, "use": use, **files})


def test_an_unknown_set_is_told_once() -> None:
    """Nobody knows what it takes."""
    data = {"use": "imagenette", "root": "r", "download": True, "window": 3, "workers": 1, "resident": "workers"}
    (wrong,) = validate(GraphFile, {"graph": "g", "nodes": {}, "flow": {}, "loss": {}, "data": data})[1]
    assert (wrong.path, wrong.message) == (("data", "use"), "'use' is 'imagenette', which is none of the choices")


@pytest.mark.parametrize(
    ("data", "least"),
    [({"eval": {"resize": 223, "crop": 224}}, "224"), ({"size": 40, "eval": {"resize": 30}}, "40"), ({"size": [64, 48], "eval": {"resize": 47}}, "48")],
)  # fmt: skip
def test_no_more_is_cut_out_than_is_there(data: dict[str, object], least: str) -> None:
    with pytest.raises(ValueError, match=rf"eval\.resize is \d+, and {least} px are cut out"):
        spec.Data.model_validate(data)


def test_what_is_cut_out_may_be_all_there_is() -> None:
    spec.Data.model_validate({"size": [64, 48], "eval": {"resize": 48}})
