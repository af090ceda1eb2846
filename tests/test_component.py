"""Components: what registers, what is read from a class, how nodes are built, and what a wrong class is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field, PositiveFloat, ValidationError
from torch import Tensor, nn

from graphssl import component as module
from graphssl.component import (
    REGISTRY,
    TRAITS,
    ComponentError,
    DataFacts,
    NodeConfig,
    NodeRef,
    Scheduled,
    Sizes,
    Unbound,
    build,
    component,
    discover,
    find,
    schedules_of,
    update,
)
from graphssl.errors import RunError
from graphssl.ports import PortError, Signature
from graphssl.schedule import Schedule

Vectors = Annotated[Tensor, "b d"]
RISING = {"from": 0.5, "to": 1.0, "shape": "linear"}


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(discover())
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


class Plain(nn.Module):
    """A component without a config.

    It passes on what it gets.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Any, sizes: Sizes, **sources: Any) -> None:
        super().__init__()
        self.config, self.sizes, self.sources = config, sizes, sources

    def forward(self, x: Vectors) -> Vectors:
        return x


def made(**members: Any) -> type[Any]:
    """A class like Plain with other members."""
    return type("Made", (Plain,), members)


def config_of(**fields: Any) -> type[NodeConfig]:
    """A config with these annotated fields, `name=annotation` or `name=(annotation, default)`."""
    hints = {name: f[0] if isinstance(f, tuple) else f for name, f in fields.items()}
    defaults = {name: f[1] for name, f in fields.items() if isinstance(f, tuple)}
    return type("Config", (NodeConfig,), {"__annotations__": hints, **defaults, "__module__": __name__})


# -- registering -------------------------------------------------------------------------------------------------


def test_a_class_registers_as_it_is() -> None:
    assert component("test.plain", detached=True, traits=("history", "bank"))(Plain) is Plain
    found = REGISTRY["test.plain"]
    assert found.cls is Plain
    assert found.config is Plain.Config
    assert found.detached
    assert found.traits == {"history", "bank"}
    assert Path(found.origin) == Path(__file__)
    assert found.summary == "A component without a config."
    assert [p.name for p in found.forward.inputs] == ["x"]
    assert (found.updates, found.refs) == ({}, ())


def test_a_component_is_neither_detached_nor_special_unless_it_says_so() -> None:
    component("test.plain")(Plain)
    assert not REGISTRY["test.plain"].detached
    assert REGISTRY["test.plain"].traits == frozenset()


def test_a_summary_is_the_component_s_own() -> None:
    """And not that of `nn.Module`, which says nothing of it."""
    component("test.made")(made(__doc__=None))
    assert REGISTRY["test.made"].summary == ""
    component("test.made")(made(__doc__="\n    One line.\n\n    And more.\n    "))
    assert REGISTRY["test.made"].summary == "One line."


def test_the_same_class_may_register_again() -> None:
    """A module that is reloaded, as in a notebook: the new class counts."""
    component("test.made")(made())
    again = made()
    component("test.made")(again)
    assert REGISTRY["test.made"].cls is again


def test_two_classes_of_one_name_are_refused() -> None:
    component("test.made")(made())
    with pytest.raises(ComponentError, match=r"two components are called 'test.made': .*test_component.py and .*"):
        component("test.made")(Plain)
    assert REGISTRY["test.made"].cls is not Plain


def test_one_class_may_have_two_names() -> None:
    component("test.one")(Plain)
    component("test.two", detached=True)(Plain)
    assert [REGISTRY[f"test.{n}"].detached for n in ("one", "two")] == [False, True]


@pytest.mark.parametrize("traits", [("attract",), ("bank", "nonsense"), ("",)])
def test_unknown_traits_are_refused(traits: tuple[str, ...]) -> None:
    with pytest.raises(ComponentError) as caught:
        component("test.plain", traits=traits)(Plain)
    wrong = sorted(set(traits) - set(TRAITS))
    assert f"Plain: no trait is called {wrong}" in str(caught.value)
    assert all(trait in str(caught.value) for trait in TRAITS)
    assert "test.plain" not in REGISTRY


@pytest.mark.parametrize("trait", TRAITS)
def test_every_trait_registers_and_is_explained(trait: str) -> None:
    component("test.plain", traits=(trait,))(Plain)
    assert REGISTRY["test.plain"].traits == {trait}
    assert len(TRAITS[trait]) > 20


@pytest.mark.parametrize("config", [None, dict, NodeConfig(), "Config", type("Config", (), {})])
def test_a_component_needs_a_config_class(config: Any) -> None:
    with pytest.raises(ComponentError, match=r"Made needs a class Config\(NodeConfig\)"):
        component("test.made")(made(Config=config))
    assert "test.made" not in REGISTRY


def test_a_class_without_a_config_is_told_so() -> None:
    with pytest.raises(ComponentError, match="Linear needs a class Config"):
        component("test.linear")(nn.Linear)


def test_a_component_needs_a_forward() -> None:
    cls = type("Idle", (nn.Module,), {"Config": Plain.Config})
    with pytest.raises(ComponentError, match="Idle needs a method forward"):
        component("test.idle")(cls)


def test_forward_gives_something() -> None:
    def forward(self: Any, x: Vectors) -> None: ...

    with pytest.raises(ComponentError, match=r"Made.forward gives nothing; write -> Annotated\[Tensor"):
        component("test.made")(made(forward=forward))


def test_wrong_annotations_keep_a_class_out() -> None:
    def forward(self: Any, x: Tensor) -> Vectors: ...

    def push(self: Any, key: Tensor) -> None: ...

    for members in ({"forward": forward}, {"push": update(push)}):
        with pytest.raises(PortError, match="has no axes"):
            component("test.made")(made(**members))
    assert "test.made" not in REGISTRY


# -- updates -----------------------------------------------------------------------------------------------------


def test_marked_methods_are_updates_also_those_of_a_base() -> None:
    class Base(Plain):
        @update
        def push(self, key: Vectors) -> None: ...

        @update
        def clear(self) -> None: ...

        def other(self, x: int) -> None: ...

    class Queue(Base):
        @update
        def push(self, key: Annotated[Tensor, "b d"], index: Annotated[Tensor, "b"]) -> None: ...

    component("test.queue")(Queue)
    updates = REGISTRY["test.queue"].updates
    assert set(updates) == {"push", "clear"}
    assert [p.name for p in updates["push"].inputs] == ["key", "index"]
    assert updates["clear"] == Signature((), ())


def test_marking_changes_nothing_else() -> None:
    def push(key: int) -> int:
        return key + 1

    assert update(push) is push
    assert push(1) == 2


# -- configs -----------------------------------------------------------------------------------------------------


def test_configs_refuse_what_they_do_not_know_and_do_not_change() -> None:
    cls = config_of(size=(int, 3))
    with pytest.raises(ValidationError, match="sizes"):
        cls(sizes=4)
    config = cls(size=4)
    with pytest.raises(ValidationError, match="frozen"):
        config.size = 5


@pytest.mark.parametrize(
    ("annotation", "is_ref"),
    [
        (NodeRef, True),
        (list[NodeRef], True),
        (Annotated[NodeRef, Field(description="which")], True),
        (Annotated[list[NodeRef], Field(min_length=1)], True),
        (str, False),
        (list[str], False),
        (Annotated[str, Field(min_length=1)], False),
        (int, False),
        (dict[str, int], False),
    ],
)
def test_fields_that_name_other_nodes(annotation: Any, is_ref: bool) -> None:
    component("test.made")(made(Config=config_of(first=(int, 1), of=annotation)))
    assert REGISTRY["test.made"].refs == (("of",) if is_ref else ())


def test_a_list_of_names_is_checked_like_any_field() -> None:
    config = config_of(of=Annotated[list[NodeRef], Field(min_length=1)])
    assert config(of=["encoder", "projector"]).of == ["encoder", "projector"]
    for wrong in ([], "encoder", [1]):
        with pytest.raises(ValidationError):
            config(of=wrong)


def test_only_what_moves_is_a_schedule() -> None:
    cls = config_of(a=(Scheduled[PositiveFloat], 0.1), b=(Scheduled[PositiveFloat], 0.2), c=(int, 3))
    assert schedules_of(cls()) == {}
    found = schedules_of(cls(b=RISING))
    assert list(found) == ["b"]
    assert (found["b"].start, found["b"].end) == (0.5, 1.0)


def test_ports_and_views_may_depend_on_the_config() -> None:
    class Crops(Plain):
        class Config(NodeConfig):
            count: int = 2

        @staticmethod
        def views(config: Any) -> Mapping[str, int]:
            return {"": config.count}

        @classmethod
        def signature(cls, config: Any, of: Mapping[str, Signature]) -> Signature:
            return of["x"] if config.count == 1 else Signature((), ())

    component("test.crops")(Crops)
    component("test.plain")(Plain)
    crops, plain = REGISTRY["test.crops"], REGISTRY["test.plain"]
    other = plain.forward
    assert crops.views(Crops.Config(count=5)) == {"": 5}
    assert crops.signature(Crops.Config(count=1), {"x": other}) is other
    assert crops.signature(Crops.Config(count=2), {}) == Signature((), ())
    assert plain.views(Plain.Config()) == {}
    assert plain.signature(Plain.Config(), {}) is plain.forward


# -- sizes -------------------------------------------------------------------------------------------------------


def test_sizes_are_known_by_letter() -> None:
    sizes = Sizes({"d": 128, "n": 4096})
    assert (sizes["d"], len(sizes), dict(sizes)) == (128, 2, {"d": 128, "n": 4096})


def test_a_letter_that_is_not_known_is_asked_for_again_later() -> None:
    """However it is asked for: what takes a default now would be built otherwise than with the size."""
    sizes = Sizes({"d": 128})
    for ask in (lambda: sizes["e"], lambda: sizes.get("e", 5), lambda: "e" in sizes):
        with pytest.raises(Unbound, match="e"):
            ask()
    assert not isinstance(Unbound("e"), KeyError)


def test_sizes_do_not_change_with_the_mapping_that_they_were_made_of() -> None:
    letters = {"d": 1}
    sizes = Sizes(letters)
    letters["d"] = 2
    assert sizes["d"] == 1


def test_the_number_of_samples() -> None:
    assert Sizes({}, DataFacts(samples=1500)).samples == 1500
    with pytest.raises(Unbound, match="samples"):
        _ = Sizes().samples
    assert Sizes().data == DataFacts()
    assert (DataFacts().channels, DataFacts().height, DataFacts().samples) == (3, 32, None)


# -- building ----------------------------------------------------------------------------------------------------


def scheduled(**fields: Any) -> type[Any]:
    return made(Config=config_of(**fields))


def test_a_number_becomes_an_attribute() -> None:
    node = build(scheduled(gain=(Scheduled[PositiveFloat], 2.0), size=(int, 3)), gain=0.25)
    assert node.gain == 0.25
    assert type(node.gain) is float
    assert not hasattr(node, "size"), "what cannot be scheduled is the component's own business"
    assert dict(node.named_buffers()) == {}


def test_the_default_becomes_an_attribute() -> None:
    assert build(scheduled(gain=(Scheduled[PositiveFloat], 2.0))).gain == 2.0


def test_a_schedule_becomes_a_tensor_that_is_not_saved() -> None:
    node = build(scheduled(gain=(Scheduled[PositiveFloat], 2.0)), gain=RISING)
    assert isinstance(node.gain, Tensor)
    assert (node.gain.ndim, node.gain.dtype, float(node.gain)) == (0, torch.float32, 0.5)
    assert [name for name, _ in node.named_buffers()] == ["gain"]
    assert node.state_dict() == {}
    assert not node.gain.requires_grad
    before = node.gain
    node.to(torch.float64)
    node.gain.fill_(0.75)
    assert float(node.gain) == 0.75
    assert before.dtype == torch.float32


def test_a_schedule_of_integers_is_a_tensor_of_floats() -> None:
    node = build(scheduled(k=(Scheduled[int], 1)), k={"from": 2, "to": 6})
    assert float(node.k) == 2.0
    node.k.fill_(2.5)
    assert float(node.k) == 2.5


@pytest.mark.parametrize(
    "annotation",
    [
        Scheduled[PositiveFloat],
        Scheduled[Annotated[float, Field(ge=0, le=1)]],
        Annotated[Scheduled[PositiveFloat], Field(description="how much")],
        Scheduled[PositiveFloat] | None,
        None | Annotated[Scheduled[PositiveFloat], Field(description="how much")],
    ],
)
def test_however_a_field_is_declared(annotation: Any) -> None:
    cls = scheduled(gain=(annotation, 0.5))
    assert build(cls, gain=0.25).gain == 0.25
    assert float(build(cls, gain=RISING).gain) == 0.5
    assert isinstance(build(cls, gain=RISING).gain, Tensor)


def test_none_is_a_value_too() -> None:
    assert build(scheduled(gain=(Scheduled[PositiveFloat] | None, None))).gain is None


def test_what_the_component_sets_itself_stays() -> None:
    def init(self: Any, config: Any, sizes: Sizes) -> None:
        nn.Module.__init__(self)
        self.gain = 7.0

    assert build(made(Config=config_of(gain=(Scheduled[PositiveFloat], 2.0)), __init__=init)).gain == 7.0


def test_nodes_are_built_of_a_config_or_of_values() -> None:
    cls = scheduled(size=int)
    assert build(cls, cls.Config(size=4)).config.size == 4
    assert build(cls, size=4).config.size == 4
    component("test.made")(cls)
    assert build(REGISTRY["test.made"], size=4).config.size == 4
    with pytest.raises(ValidationError):
        build(cls)
    with pytest.raises(ValidationError):
        build(cls, size=4, other=5)


def test_sources_are_given_by_the_name_of_their_field() -> None:
    one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    node = build(scheduled(of=list[NodeRef], to=NodeRef), sources={"of": [one, two], "to": one}, of=["a", "b"], to="a")
    assert node.sources == {"of": [one, two], "to": one}
    assert build(Plain).sources == {}


def test_sizes_without_letters_keep_the_facts_of_the_data() -> None:
    facts = DataFacts(samples=7)
    assert build(Plain, sizes=Sizes({}, facts)).sizes.samples == 7
    assert dict(build(Plain).sizes) == {}


def test_a_size_that_is_not_known_is_passed_on() -> None:
    def init(self: Any, config: Any, sizes: Sizes) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(sizes["d"]))

    cls = made(__init__=init)
    with pytest.raises(Unbound, match="d"):
        build(cls)
    assert build(cls, sizes=Sizes({"d": 3})).weight.shape == (3,)


def test_a_node_is_built_on_the_device_of_its_context() -> None:
    with torch.device("meta"):
        node = build(scheduled(gain=(Scheduled[PositiveFloat], 2.0)), gain=RISING)
    assert node.gain.is_meta


# -- finding -----------------------------------------------------------------------------------------------------


def test_a_component_is_found_by_name() -> None:
    component("test.plain")(Plain)
    assert find("test.plain").cls is Plain
    with pytest.raises(LookupError, match=r"did you mean 'test.plain'\?"):
        find("test.plan")
    with pytest.raises(LookupError):
        find("")


def test_a_component_that_has_another_name_now_is_found_under_it() -> None:
    component("test.plain", formerly=("test.bare", "test.simple"))(Plain)
    with pytest.raises(LookupError, match=r"^it is called test.plain now, and is the same in all else$"):
        find("test.simple")
    assert "test.bare" not in discover()


def test_a_former_name_that_is_taken_again_is_that_component() -> None:
    component("test.plain", formerly=("test.bare",))(Plain)
    component("test.bare")(type("Bare", (Plain,), {}))
    assert find("test.bare").cls is not Plain


def test_a_name_far_from_all_leads_to_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        monkeypatch.setitem(REGISTRY, f"many.{i}", SimpleNamespace(formerly=()))
    with pytest.raises(LookupError, match="`graphssl components` lists them"):
        find("zzzzzzzzzz")


class Point:
    """Stands in for an entry point."""

    value = "some_package"

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.loads = error, 0

    def load(self) -> None:
        self.loads += 1
        if self.error:
            raise self.error
        component("test.late")(Plain)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    found: list[Point] = []
    monkeypatch.setattr(module, "_discovered", False)
    monkeypatch.setattr(module.metadata, "entry_points", lambda group: found if group == "graphssl.components" else [])
    return found


def test_packages_are_loaded_once(points: list[Point]) -> None:
    points.append(Point())
    assert "test.late" in discover()
    assert discover() is REGISTRY
    assert points[0].loads == 1


@pytest.mark.parametrize("error", [ImportError("no torch"), ComponentError("odd"), ZeroDivisionError("oops")])
def test_a_package_that_does_not_load_is_named(points: list[Point], error: Exception) -> None:
    points.append(Point(error))
    with pytest.raises(
        RunError, match=f"the component package 'some_package' does not load: {type(error).__name__}: {error}"
    ):
        discover()


def test_a_schedule_in_a_config_is_one() -> None:
    config = config_of(gain=Scheduled[PositiveFloat])(gain=RISING)
    assert isinstance(config.gain, Schedule)
    assert config.gain.at(1, 2, 1) == 0.75
