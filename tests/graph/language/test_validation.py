"""Validation in plain words: every mistake is one message, none speaks pydantic's language, and most say what to write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from graphssl.component import NodeConfig, discover, find
from graphssl.graph.language.mistakes import EXPECTED
from graphssl.graph.language.validation import Wrong, validate
from graphssl.graph.spec import graph_file

SECTIONS: dict[str, Any] = {"graph": "g", "nodes": {}, "flow": {}, "loss": {}}
NULL = "null removes what an extended graph has, and here there is nothing"


def wrong(model: type[BaseModel], **data: Any) -> list[Wrong]:
    found = validate(model, data)[1]
    assert found, data
    return found


def of_graph(**data: Any) -> list[Wrong]:
    return wrong(graph_file(), **{**SECTIONS, **data})


def of_node(name: str, **data: Any) -> list[Wrong]:
    return wrong(find(name).config, **data)


# -- every kind of error -----------------------------------------------------------------------------------------

# Values that are wrong somewhere, and graphs and configs whose parts they replace one by one.
BAD: list[Any] = [None, "x", "5", "true", "", 5, -1, 0, 0.5, 1e4, True, False, [], ["x"], [5, 5, 5], [0.5], {}, {"use": "x"}, {"x": 1}, {"from": 0, "to": "x"}]  # fmt: skip
GRAPHS: list[dict[str, Any]] = [
    {
        **SECTIONS, "description": "d", "components": ["a.b"], "allow": ["G201"],
        "data": {"use": "image_folder", "batch": 4, "root": "r", "download": False, "size": 32, "resident": "auto", "workers": 1, "on_bad_image": "stop", "last": "drop"},
        "nodes": {"n": {"use": "x"}}, "flow": {"v": "n()"}, "update": {"n": "n()"},
        "loss": {"a": "n()", "b": {"value": "n()", "weight": 0.5}, "c": {"value": "n()", "weight": {"from": 0, "to": 1, "shape": "cosine", "over": 3}}},
        "train": {
            "epochs": 1, "steps": 1, "optimizer": {"use": "adamw", "lr": 1, "betas": [0.9, 0.9], "eps": 1, "weight_decay": 0},
            "schedule": {"shape": "step", "warmup": 1, "final": 0, "at": [1], "gamma": 1}, "nodes": {"n": {"lr": 1, "schedule": "follow", "weight_decay": 0}},
            "accumulate": 1, "clip": 1, "precision": "auto", "channels_last": True, "compile": "auto", "seed": 0,
            "checkpoint": {"steps": 1, "epochs": 1, "keep": 1}, "log_every": 1,
        },
        "evaluate": {"features": "n", "knn": {"k": 1, "temperature": 1, "every": 1}, "monitor": {"every": 1}},
    },
    {**SECTIONS, "train": {"optimizer": {"use": "sgd", "lr": 1, "momentum": 0.9, "nesterov": True, "weight_decay": 0}}},
    {**SECTIONS, "train": {"optimizer": {"use": "lars", "lr": 1, "momentum": 0.9, "eta": 1, "weight_decay": 0}}},
]  # fmt: skip
MORE: dict[str, list[dict[str, Any]]] = {
    "target.ema": [{"of": ["a"], "momentum": {"from": 0.9, "to": 1.0, "shape": "linear", "over": "train"}}],
    "encoder.resnet": [{"norm": {"use": "split_batch", "splits": 4}}, {"norm": {"use": "group", "groups": 4}}],
    "head.mlp": [{"norm": {"use": "split_batch", "splits": 4}}, {"norm": {"use": "layer"}}],
    "augment.byol": [{"blur": [0.5, 0.5], "crop": [0.5, 1.0]}],
    "augment.chain": [{"operations": [{"use": "blur", "sigma": [0.5, 1.0]}, "flip"]}, {"views": [["crop"], ["flip"]]}],
}
NEEDED = {
    "encoder.module": {"path": "./net.py:Net"}, "encoder.timm": {"name": "resnet18"},
    "augment.chain": {"operations": ["crop"]}, "augment.torchvision": {"transforms": ["RandomHorizontalFlip"]}, "encoder.torchvision": {"name": "resnet18"},
}  # fmt: skip
# What no message may say: pydantic's words, and the names of Python's and JSON's types.
LEAKS = re.compile(
    r"Input|JSON|[Vv]alid|array|object|dictionary|tuple|boolean|integer|\bstring|\bstr\b|\bint\b|\bfloat\b|NoneType|"
    r"\bNone\b|items|Field|pydantic|after|_type|unable to|it it|should should|\bTrue\b|\bFalse\b"
)
SPECIAL = {"missing", "extra_forbidden", "literal_error", "union_tag_invalid", "union_tag_not_found", "value_error"}


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all parts of some data."""
    if path:
        yield path
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of some data with another value at a path; an entry of a mapping is left out for Ellipsis."""
    copy: Any = json.loads(json.dumps(data))
    part = copy
    for key in path[:-1]:
        part = part[key]
    if value is ... and isinstance(part, dict):
        del part[path[-1]]
    elif value is not ...:
        part[path[-1]] = value
    return copy


def mistakes(model: type[BaseModel], *bases: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The bases with each part replaced by each bad value, with each part left out, and with a key too many."""
    for base in bases:
        for path in places(base):
            for value in (*BAD, ...):
                yield changed(base, path, value)
            yield changed(base, (*path[:-1], "extra") if isinstance(path[-1], str) else path, 1)


def models() -> dict[str, tuple[type[BaseModel], list[dict[str, Any]]]]:
    found: dict[str, tuple[type[BaseModel], list[dict[str, Any]]]] = {"graph": (graph_file(), GRAPHS)}
    for name, component in discover().items():
        refs = {
            key: ["a"] if "list" in str(component.config.model_fields[key].annotation) else "a"
            for key in component.refs
        }
        given = {**refs, **NEEDED.get(name, {})}
        required = {k: ... for k, f in component.config.model_fields.items() if f.is_required() and k not in given}
        assert not required, f"{name}: give the test a value for {required}"
        filled = component.config(**given).model_dump(mode="json", by_alias=True)
        found[name] = (component.config, [filled, *MORE.get(name, [])])
    return found


@pytest.mark.parametrize("name", models())
def test_no_message_speaks_the_language_of_the_library(name: str) -> None:
    model, bases = models()[name]
    seen = 0
    for data in mistakes(model, *bases):
        for wrong in validate(model, data)[1]:
            seen += 1
            shown = re.sub(r"'[^']*'", "''", wrong.message)  # the user's own words
            assert not LEAKS.search(shown), (data, wrong)
            assert not LEAKS.search(wrong.hint or ""), (data, wrong)
            assert wrong.message[-1] not in ".:;, ", wrong.message
    assert seen > 10 or not model.model_fields


def test_every_kind_of_error_has_words() -> None:
    """What our models can raise is what is listed; a new kind needs words of its own."""
    seen: set[str] = set()
    for model, bases in models().values():
        for data in mistakes(model, *bases):
            try:
                model.model_validate_json(json.dumps(data), strict=True)
            except ValidationError as error:
                seen |= {e["type"] for e in error.errors()}
    assert seen <= SPECIAL | set(EXPECTED)
    assert seen >= SPECIAL | {
        "string_type", "int_type", "float_type", "bool_type", "list_type", "tuple_type", "dict_type",
        "model_type", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "too_long",
    }  # fmt: skip


def test_a_mistake_in_one_place_is_one_message() -> None:
    """But for keys that are wrong or missing together, of which each is a mistake."""
    for name, (model, bases) in models().items():
        for base in bases:
            assert not validate(model, base)[1], base
            for path in places(base):
                for value in (v for v in BAD if not isinstance(v, dict | list)):
                    assert len(validate(model, changed(base, path, value))[1]) <= 1, (name, path, value)


# -- the words -----------------------------------------------------------------------------------------------------

VALUES = [
    ({"data": {"batch": "16"}}, "'batch' is '16'; it should be a whole number", "write it without quotes: 16"),
    ({"data": {"batch": 16.5}}, "'batch' is 16.5; it should be a whole number", None),
    ({"data": {"batch": 1e3}}, "'batch' is 1000.0; it should be a whole number", "write all its digits: 1000"),
    ({"data": {"batch": [16]}}, "'batch' is a list; it should be a whole number", None),
    ({"data": {"batch": 0}}, "'batch' is 0; it should be greater than 0", None),
    ({"data": {"batch": None}}, "'batch' is null; it should be a whole number", NULL),
    ({"data": {"download": "true"}}, "'download' is 'true'; it should be true or false", "write it without quotes: true"),
    ({"data": {"download": "yes"}}, "'download' is 'yes'; it should be true or false", "write true"),
    ({"data": {"download": "Off"}}, "'download' is 'Off'; it should be true or false", "write false"),
    ({"data": {"download": 1}}, "'download' is 1; it should be true or false", None),
    ({"data": "digits"}, "'data' is 'digits'; it should be a mapping", "write {use: digits}"),
    ({"data": {"use": "digitz"}}, "'use' is 'digitz', which is none of the choices", "did you mean 'digits'?"),
    ({"data": {"use": "cifar10"}}, "'cifar10' needs a root: the folder that holds the data set", None),
    ({"graph": 5}, "'graph' is 5; it should be text", "put it in quotes: '5'"),
    ({"graph": "../x"}, "'graph' is '../x'; a name is letters, digits and _ . + / -, and does not begin with . + / -", None),
    ({"allow": "G201"}, "'allow' is 'G201'; it should be a list", "put it in brackets: [G201]"),
    ({"components": [""]}, "'' is neither a component file, such as ./my_critic.py, nor a package, such as mylab.ssl", None),
    ({"components": ["./my critic"]}, "'./my critic' is neither a component file, such as ./my_critic.py, nor a package, such as mylab.ssl", None),
    ({"components": [5]}, "'components' is 5; it should be text", "put it in quotes: '5'"),
    ({"loss": {"a": 0.5}}, "'a' is 0.5; it should be text or a mapping", "put it in quotes: '0.5'"),
    ({"loss": {"a": {"value": "x", "weight": "x"}}}, "'weight' is 'x'; it should be a number, or a schedule {from: ..., to: ...}", None),
    ({"loss": {"a": {"value": "x", "weight": {"from": 0}}}}, "'to' is missing", None),
    ({"loss": {"a": {"valu": "x"}}}, "no key is called 'valu' here", "did you mean 'value'?"),
    ({"train": {"optimizer": "adamw"}}, "'optimizer' is 'adamw'; it should be a mapping", "write {use: adamw}"),
    ({"train": {"optimizer": "adagrad"}}, "'optimizer' is 'adagrad'; it should be a mapping", "choices are {use: sgd}, {use: adamw}, {use: adam}, {use: lars}, {use: larc}, {use: timm}"),
    ({"train": {"optimizer": {"lr": 1}}}, "'optimizer' is a mapping without 'use'", "choices are sgd, adamw, adam, lars, larc, timm"),
    ({"train": {"optimizer": {"use": "adamv"}}}, "'adamv' is none of the choices", "did you mean 'adam'?"),
    ({"train": {"optimizer": {"use": "adamw", "lr": {"from": 0, "to": 1}}}}, "'lr' is a mapping; it should be a number", "this value cannot be scheduled"),
    ({"train": {"optimizer": {"use": "adamw", "betas": [0.9]}}}, "'betas' is a list of 1; it should have at least 2", None),
    ({"train": {"optimizer": {"use": "adamw", "betas": [0.9, 1.5]}}}, "'betas' is 1.5; it should be less than 1", None),
    ({"evaluate": {"knn": False}}, "'knn' is false; it should be a mapping", "null turns it off"),
    ({"nodes": {"critic": {}, "crtic": None}}, "'crtic' is null; it should be a mapping", "null removes what an extended graph has; did you mean 'critic'?"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message", "hint"), VALUES, ids=[json.dumps(v[0])[1:-1] for v in VALUES])
def test_values_of_a_graph(data: dict[str, Any], message: str, hint: str | None) -> None:
    assert [(w.message, w.hint) for w in of_graph(**data)] == [(message, hint)]


NODES: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("encoder.resnet", {"depth": "18"}, "'depth' is '18', which is none of the choices", "write the number without quotes: 18"),
    ("encoder.resnet", {"depth": "19"}, "'depth' is '19', which is none of the choices", "choices are 10, 14, 18, 34, 50, 101, 152"),
    ("encoder.resnet", {"depth": 11}, "'depth' is 11, which is none of the choices", "choices are 10, 14, 18, 34, 50, 101, 152"),
    ("encoder.resnet", {"norm": {"groups": 8}}, "'norm' is a mapping without 'use'", "choices are batch, split_batch, group"),
    ("encoder.resnet", {"norm": 5}, "'norm' is 5, which is none of the choices", "choices are batch, split_batch, group"),
    ("encoder.resnet", {"norm": ["group"]}, "'norm' is a list, which is none of the choices", "choices are batch, split_batch, group"),
    ("encoder.resnet", {"norm": {"use": "group", "groups": "8"}}, "'groups' is '8'; it should be a whole number", "write it without quotes: 8"),
    ("target.ema", {}, "'of' is missing", None),
    ("target.ema", {"of": "encoder"}, "'of' is 'encoder'; it should be a list", "put it in brackets: [encoder]"),
    ("target.ema", {"of": []}, "'of' is a list of 0; it should have at least 1", None),
    ("target.ema", {"of": ["a"], "momentum": {}}, "'from' and 'to' are missing", None),
    ("target.ema", {"of": ["a"], "momentum": {"from": 0.9, "to": 1, "over": -1}}, "'over' is -1; it should be 'train' or greater than 0", None),
    ("target.ema", {"of": ["a"], "momentum": {"from": 0.9, "to": 1, "over": "trian"}}, "'over' is 'trian', which is none of the choices", "did you mean 'train'?"),
    ("target.ema", {"of": ["a"], "momentum": {"from": 0.9, "to": 1, "over": "5"}}, "'over' is '5'; it should be 'train' or a number", "write it without quotes: 5"),
    ("target.ema", {"of": ["a"], "momentum": [0.9, 1]}, "'momentum' is a list; it should be a number, or a schedule {from: ..., to: ...}", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "message", "hint"), NODES, ids=[f"{n[0]}: {json.dumps(n[1])[1:-1]}" for n in NODES]
)
def test_values_of_a_node(name: str, data: dict[str, Any], message: str, hint: str | None) -> None:
    assert [(w.message, w.hint) for w in of_node(name, **data)] == [(message, hint)]


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_misspelt_key_is_not_missing_too() -> None:
    found = wrong(graph_file(), graph="g", nodes={}, flaw={}, loss={})
    assert found == [Wrong(("flaw",), "no key is called 'flaw' here", "did you mean 'flow'?", "unknown")]


def test_what_is_missing_beside_an_unknown_key_is_in_its_hint() -> None:
    found = of_node("target.ema", of=["a"], momentum={"start": 0.9, "end": 1})
    assert found == [
        Wrong(("momentum", "start"), "no key is called 'start' here", "keys are from, to, shape, over; 'from' and 'to' are missing", "unknown"),
        Wrong(("momentum", "end"), "no key is called 'end' here", "keys are from, to, shape, over", "unknown"),
    ]  # fmt: skip


def test_missing_keys_are_told_together() -> None:
    missing = ("nodes", "flow", "loss")
    message = "'nodes', 'flow' and 'loss' are missing"
    assert wrong(graph_file(), graph="g") == [Wrong((), message, None, "missing", missing)]


def test_a_wrong_value_is_of_the_kind_value() -> None:
    assert [w.kind for w in of_graph(data={"batch": "16"}, train={"epochs": -1})] == ["value", "value"]


# -- kinds of a user's own component ---------------------------------------------------------------------------------


class Own(NodeConfig):
    name: Annotated[str, Field(min_length=3, max_length=5)] = "abc"
    code: Annotated[str, Field(pattern="^[a-z]*$")] = "abc"
    one_or_more: int | list[int] = 1
    even: Annotated[int, Field(multiple_of=2)] = 2
    day: date | None = None


OWN = [
    ({"name": "ab"}, "'name' is 'ab'; it should have at least 3 characters"),
    ({"name": "abcdef"}, "'name' is 'abcdef'; it should have at most 5 characters"),
    ({"code": "A"}, "'code' is 'A'; it should match ^[a-z]*$"),
    ({"one_or_more": "x"}, "'one_or_more' is 'x'; it should be a whole number or a list"),
    ({"one_or_more": [1, "x"]}, "'one_or_more' is 'x'; it should be a whole number"),
    ({"even": 3}, "'even' is 3; it should be a multiple of 2"),
    ({"day": "soon"}, "'day' is 'soon'; it should be a date in the format YYYY-MM-DD, input is too short"),
]


@pytest.mark.parametrize(("data", "message"), OWN)
def test_a_config_of_the_users_own_reads_well_too(data: dict[str, Any], message: str) -> None:
    assert [w.message for w in wrong(Own, **data)] == [message]


class Odd(NodeConfig):
    made: Callable[[int], int] | None = None
    size: int = 1


def test_a_config_with_types_that_json_does_not_know() -> None:
    assert [(w.message, w.hint) for w in wrong(Odd, sise=1)] == [
        ("no key is called 'sise' here", "did you mean 'size'?")
    ]
    assert [(w.message, w.hint) for w in wrong(Odd, size="1")] == [("'size' is '1'; it should be a whole number", "write it without quotes: 1")]  # fmt: skip


class Bare(NodeConfig):
    pass


def test_a_config_without_keys() -> None:
    assert wrong(Bare, x=1) == [Wrong(("x",), "no key is called 'x' here", "it has no keys", "unknown")]
