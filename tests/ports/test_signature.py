"""Ports are read from annotations: every kind, and every way to write them wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Optional, Union

import pytest
from torch import Tensor, nn

from graphssl.ports import AXES, KINDS, Gaussian, In, Negatives, Port, PortError, Scores, Signature, signature_of


class Parts(NamedTuple):
    map: Annotated[Tensor, "b c h w"]
    vector: Annotated[Tensor, "b d"]
    views: Annotated[tuple[Tensor, ...], "b 3 y x"]


class Bare(NamedTuple):
    map: Annotated[Tensor, "b c h w"]
    vector: Tensor


def port(annotation: Any, *default: Any) -> Port:
    """The port of `method(self, x: annotation)`."""

    def method(self: Any, x: Any) -> None: ...

    method.__annotations__ = {"x": annotation}
    method.__defaults__ = default or None
    (found,) = signature_of(method).inputs
    return found


def result(annotation: Any) -> tuple[Port, ...]:
    """The outputs of `method(self) -> annotation`."""

    def method(self: Any) -> Any: ...

    method.__annotations__ = {"return": annotation}
    return signature_of(method).outputs


def refused(method: Callable[..., Any]) -> str:
    with pytest.raises(PortError) as caught:
        signature_of(method)
    return str(caught.value)


# -- kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "kind", "axes", "family"),
    [
        (In["b d"], "tensor", (("b", "d"),), False),
        (Annotated[Tensor, "b d"], "tensor", (("b", "d"),), False),
        (In["b c h w"], "tensor", (("b", "c", "h", "w"),), False),
        (In["  b   3  h "], "tensor", (("b", "3", "h"),), False),
        (In["..."], "tensor", (("...",),), False),
        (In["b ... d"], "tensor", (("b", "...", "d"),), False),
        (In["batch dim_2 C"], "tensor", (("batch", "dim_2", "C"),), False),
        (In[""], "tensor", ((),), False),
        (Negatives["n d"], "negatives", (("n", "d"),), False),
        (Annotated[Negatives, "n d"], "negatives", (("n", "d"),), False),
        (Scores["b", "b n"], "scores", (("b",), ("b", "n")), False),
        (Annotated[Scores, "b", "b n"], "scores", (("b",), ("b", "n")), False),
        (Gaussian["b d"], "gaussian", (("b", "d"),), False),
        (Annotated[tuple[Tensor, ...], "b d"], "tensor", (("b", "d"),), True),
        (Annotated[tuple[Negatives, ...], "n d"], "negatives", (("n", "d"),), True),
        (Annotated[tuple[Scores, ...], "b", "b n"], "scores", (("b",), ("b", "n")), True),
        (Annotated[Tensor, "b d", 5, object()], "tensor", (("b", "d"),), False),
    ],
)
def test_every_kind_of_port(annotation: Any, kind: str, axes: tuple[tuple[str, ...], ...], family: bool) -> None:
    assert port(annotation) == Port("x", kind, axes, False, family)
    assert result(annotation) == (Port("", kind, axes, False, family),)


def test_every_kind_has_its_number_of_axes() -> None:
    assert set(KINDS.values()) <= set(AXES)
    for kind in KINDS:
        groups = ["b"] * AXES[KINDS[kind]]
        assert port(Annotated[(kind, *groups)]).kind == KINDS[kind]
        with pytest.raises(PortError, match="not a kind with axes"):
            port(Annotated[(kind, *groups, "n")])


@pytest.mark.parametrize("annotation", [In["b d"] | None, Optional[In["b d"]], Union[None, In["b d"]]])  # noqa: UP045, UP007
def test_none_beside_a_kind_does_not_matter(annotation: Any) -> None:
    assert port(annotation) == Port("x", "tensor", (("b", "d"),))
    assert port(annotation, None) == Port("x", "tensor", (("b", "d"),), optional=True)


def test_a_default_makes_a_port_optional() -> None:
    assert port(Negatives["n d"], None).optional
    assert not port(Negatives["n d"]).optional


@pytest.mark.parametrize("nothing", [None, type(None)])
def test_no_result_is_no_output(nothing: Any) -> None:
    assert result(nothing) == ()


def test_several_results_are_the_fields_of_a_named_tuple() -> None:
    assert result(Parts) == (
        Port("map", "tensor", (("b", "c", "h", "w"),)),
        Port("vector", "tensor", (("b", "d"),)),
        Port("views", "tensor", (("b", "3", "y", "x"),), family=True),
    )


def test_the_kinds_themselves_are_one_result() -> None:
    """Though they are NamedTuples too."""
    assert [p.name for p in result(Scores["b", "b n"])] == [""]


# -- methods -----------------------------------------------------------------------------------------------------


class Critic(nn.Module):
    def forward(
        self, query: In["b d"], key: In["b e"], negatives: Negatives["n e"] | None = None
    ) -> Annotated[Scores, "b", "b n"]: ...

    def random(self, draws: Any, image: In["b 3 h w"]) -> In["b d"]: ...

    def late(self, image: In["b 3 h w"], *, draws: tuple[Tensor, ...]) -> In["b d"]: ...

    def still(self) -> None: ...


def test_ports_are_in_the_order_of_the_parameters() -> None:
    found = signature_of(Critic.forward)
    assert [p.name for p in found.inputs] == ["query", "key", "negatives"]
    assert [p.optional for p in found.inputs] == [False, False, True]
    assert not found.draws


@pytest.mark.parametrize("method", [Critic.random, Critic.late])
def test_draws_are_no_port(method: Callable[..., Any]) -> None:
    found = signature_of(method)
    assert [p.name for p in found.inputs] == ["image"]
    assert found.draws


def test_a_method_without_parameters() -> None:
    assert signature_of(Critic.still) == Signature((), ())


def test_ports_are_found_by_name() -> None:
    found = Signature((Port("a", "tensor", (("b",),)),), (Port("", "tensor", (("b",),)), Port("c", "tensor", ((),))))
    assert found.input("a") is found.inputs[0]
    assert found.input("c") is None
    assert found.output("c") is found.outputs[1]
    assert found.output("") is found.outputs[0]
    assert found.output("a") is None


@pytest.mark.parametrize(
    ("some", "text"),
    [
        (Port("x", "tensor", (("b", "d"),)), "[b d]"),
        (Port("x", "tensor", ((),)), "[scalar]"),
        (Port("x", "tensor", (("b", "3", "..."),), True), "[b 3 ...] (optional)"),
        (Port("x", "scores", (("b",), ("b", "n"))), "scores[b, b n]"),
        (Port("x", "negatives", (("n", "d"),), True), "negatives[n d] (optional)"),
        (Port("x", "tensor", (("b", "d"),), False, True), "views of [b d]"),
        (Port("x", "gaussian", (("b", "d"),), True, True), "views of gaussian[b d] (optional)"),
    ],
)
def test_ports_in_words(some: Port, text: str) -> None:
    assert str(some) == text


# -- what is wrong -----------------------------------------------------------------------------------------------


class Wrong:
    def bare(self, query): ...  # type: ignore[no-untyped-def]

    def stars(self, *values): ...  # type: ignore[no-untyped-def]

    def named(self, *, key: In["b d"]) -> In["b d"]: ...

    def more(self, **keys: In["b d"]) -> In["b d"]: ...

    def result(self, query: In["b d"]) -> Tensor: ...

    def pair(self, query: In["b d"]) -> tuple[Tensor, Tensor]: ...

    def part(self, query: In["b d"]) -> Bare: ...


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Wrong.bare, "Wrong.bare: the port 'query' has no annotation; write query: Annotated[Tensor, \"b d\"]"),
        (Wrong.stars, "Wrong.stars: the port 'values' has no annotation"),
        (Wrong.named, "Wrong.named: the port 'key' is keyword-only; values are given by position"),
        (Wrong.more, "Wrong.more: the port 'keys' is variadic keyword; values are given by position"),
        (Wrong.result, "Wrong.result: 'the result' has no axes; write Annotated[Tensor, \"b d\"]"),
        (Wrong.pair, "Wrong.pair: 'the result' has no axes"),
        (Wrong.part, "Wrong.part: 'vector' has no axes"),
    ],
)
def test_methods_whose_ports_nobody_can_read(method: Callable[..., Any], message: str) -> None:
    assert message in refused(method)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Tensor, "'x' has no axes; write Annotated[Tensor, \"b d\"], not <class 'torch.Tensor'>"),
        (int, "'x' has no axes"),
        (Any, "'x' has no axes"),
        (Scores, "'x' has no axes"),
        (In["b d"] | Negatives["n d"], "'x' has no axes"),
        (tuple[In["b d"], ...], "'x' has no axes"),
        (Annotated[int, "b d"], "not a kind with axes"),
        (Annotated[Any, "b d"], "not a kind with axes"),
        (Annotated[Tensor | None, "b d"], "not a kind with axes"),
        (Annotated[list[Tensor], "b d"], "not a kind with axes"),
        (Annotated[tuple, "b d"], "not a kind with axes"),
        (Annotated[tuple[int, ...], "b d"], "not a kind with axes"),
        (Annotated[Tensor, 5], "not a kind with axes"),
        (Annotated[Tensor, "b", "d"], "not a kind with axes"),
        (Scores["b"], "not a kind with axes"),
        (Scores["b n"], "not a kind with axes"),
        (Scores["b", "b n", "b"], "not a kind with axes"),
        (In["b, d"], "'x' has the axes 'b, d'; axes are words, numbers and at most one '...'"),
        (In["b (c h)"], "'x' has the axes 'b (c h)'"),
        (In["b 2d"], "'x' has the axes 'b 2d'"),
        (In["b -1"], "'x' has the axes 'b -1'"),
        (In["b ...d"], "'x' has the axes 'b ...d'"),
        (In["... b ..."], "'x' has the axes '... b ...'"),
        (Scores["b", "b, n"], "'x' has the axes 'b, n'"),
    ],
)
def test_annotations_that_are_no_ports(annotation: Any, message: str) -> None:
    with pytest.raises(PortError) as caught:
        port(annotation)
    assert message in str(caught.value)
    assert "method: " in str(caught.value), "it says which method"
    with pytest.raises(PortError) as caught:
        result(annotation)
    assert message.replace("'x'", "'the result'") in str(caught.value)


def test_a_name_that_is_not_known_is_not_swallowed() -> None:
    with pytest.raises(NameError, match="Nowhere"):
        port("Nowhere")
