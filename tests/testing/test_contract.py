"""`check_component`: a sound component passes, and each way to break the contract is caught and named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import pytest
import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from graphssl.component import REGISTRY, NodeConfig, NodeRef, Scheduled, Sizes, component, update
from graphssl.ports import In, Negatives, Scores, Signature
from graphssl.testing import check_component

Vectors = Annotated[Tensor, "b d"]
Shown = Annotated[Negatives, "n d"]
Pairs = Annotated[Scores, "b", "b n"]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def register(cls: type[nn.Module], **options: Any) -> type[nn.Module]:
    return component(f"test.{cls.__name__.lower()}", **options)(cls)


def fails(cls: type[nn.Module], message: str, *, case: Mapping[str, Any] | None = None, **options: Any) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_component(register(cls, **options), **(case or {}))
    assert str(caught.value).startswith(f"test.{cls.__name__.lower()}: ")


class Base(nn.Module):
    """A component without a config."""

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()


# -- sound components ----------------------------------------------------------------------------------------


class Head(Base):
    """A layer with batch norm, dropout and a scheduled gain."""

    class Config(NodeConfig):
        gain: Scheduled[PositiveFloat] = 2.0
        out: int = 5

    gain: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        nn.Module.__init__(self)
        self.layers = nn.Sequential(nn.Linear(sizes["d"], config.out), nn.BatchNorm1d(config.out), nn.Dropout(0.5))

    def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
        return self.layers(x) * self.gain


class Total(Base):
    """Keeps the sum of what it was given."""

    def __init__(self, config: Base.Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.register_buffer("total", torch.zeros(sizes["d"]))

    def forward(self, x: Vectors) -> Vectors:
        return x + self.total

    @update
    def add(self, x: Vectors) -> None:
        """Adds a batch."""
        self.total += x.sum(0)


class Pictures(NamedTuple):
    views: Annotated[tuple[Tensor, ...], "b c h w"]
    plain: Annotated[Tensor, "b c h w"]


class Views(Base):
    """Makes two noisy views and keeps the original."""

    @staticmethod
    def views(config: NodeConfig) -> dict[str, int]:
        return {"views": 2}

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, ...]:
        return tuple(torch.rand(b, 1, 1, 1, generator=generator, device=device) for _ in range(2))

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: tuple[Tensor, ...]) -> Pictures:
        plain = image / 255
        return Pictures(tuple(plain * d for d in draws), plain)


class Critic(Base):
    """Dot products of whatever negatives there are."""

    def forward(self, query: Vectors, key: Vectors, negatives: Shown | None = None) -> Pairs:
        positive = (query * key).sum(1)
        if negatives is None:
            return Scores(positive)
        negative = query @ negatives.entries.to(query.dtype).T
        if negatives.pick is not None:
            negative = negative.gather(1, negatives.pick)
        return Scores(positive, negative, negatives.mask, negatives.same)


class Average(nn.Module):
    """Follows one node."""

    class Config(NodeConfig):
        of: NodeRef
        rate: Scheduled[float] = 0.5

    rate: float | Tensor

    def __init__(self, config: Config, sizes: Sizes, of: nn.Module) -> None:
        super().__init__()
        self._of = (of,)
        self.register_buffer("weight", of.weight.detach().clone())

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        return of[config.of]

    def forward(self, x: Annotated[Tensor, "..."]) -> Annotated[Tensor, "..."]:
        return x.detach() @ self.weight.T.to(x.dtype)

    @update
    def follow(self) -> None:
        self.weight.copy_(self.weight + self.rate * (self._of[0].weight - self.weight))


class Layer(nn.Linear):
    def forward(self, x: Vectors) -> Annotated[Tensor, "b e"]:
        return super().forward(x)


@pytest.mark.parametrize(
    ("cls", "options", "case"),
    [
        (Head, {}, {}),
        (Head, {}, {"config": {"gain": {"from": 1.0, "to": 2.0}, "out": 3}, "sizes": {"d": 2}}),
        (Total, {}, {}),
        (Views, {"traits": ("view",)}, {}),
        (Critic, {}, {"sizes": {"b": 3, "n": 7}}),
        (Average, {"detached": True}, {"config": {"of": "layer"}, "sources": {"of": Layer(8, 5)}}),
    ],
)
def test_sound_components_pass(cls: type[nn.Module], options: dict[str, Any], case: dict[str, Any]) -> None:
    check_component(register(cls, **options), **case)


def test_a_tensor_may_be_made_for_a_port() -> None:
    class Roots(Base):
        """Takes what is positive."""

        def forward(self, x: Vectors) -> Vectors:
            return x.sqrt().log()

    fails(Roots, "not finite")
    check_component(REGISTRY["test.roots"].cls, inputs={"x": lambda shape: torch.rand(shape) + 1})


def test_a_class_that_is_not_registered() -> None:
    with pytest.raises(AssertionError, match="Head is not registered: put @component"):
        check_component(Head)


# -- broken ones: a change to a sound component, and what is said ---------------------------------------------


def changed(base: type[nn.Module], **members: Any) -> type[nn.Module]:
    return type("Broken", (base,), {"__doc__": "Broken.", **members})


def forward(body: Callable[[Any, Tensor], Tensor]) -> Callable[..., Tensor]:
    def method(self: Any, x: Vectors) -> Vectors:
        return body(self, x)

    return method


def adding(body: Callable[[Any, Tensor], None]) -> Callable[..., None]:
    def add(self: Any, x: Vectors) -> None:
        body(self, x)

    return update(add)


def init(body: Callable[[Any, Sizes], None]) -> Callable[..., None]:
    def method(self: Any, config: Base.Config, sizes: Sizes) -> None:
        Base.__init__(self, config, sizes)
        body(self, sizes)

    return method


def never(self: Any, x: Tensor) -> Tensor:
    raise ValueError("never")


FORWARDS: list[tuple[str, Callable[[Any, Tensor], Any], str]] = [
    ("axes", lambda self, x: x[None], r"forward says \[b d\], but gives \[1, 4, 8\]"),
    ("sizes", lambda self, x: torch.cat([x, x], 1), r"forward says \[b d\], but gives \[4, 16\] where b is 4, d is 8"),
    ("batch", lambda self, x: x[:2], r"but gives \[2, 8\] where b is 4"),
    ("kind", lambda self, x: Negatives(x), r"says that it gives \[b d\], but gives a Negatives"),
    ("nothing", lambda self, x: None, "but gives a NoneType"),
    ("a crash", lambda self, x: x @ x, r"forward\(x \[4, 8\]\) fails: RuntimeError"),
    ("meta shape", lambda self, x: x.double() if x.is_meta else x, "on the meta device, but really"),
    ("data dependence", lambda self, x: x * x.sum().item(), "does not run on the meta device"),
    ("boolean mask", lambda self, x: x[x[:, 0] > -9], "does not run on the meta device"),
    ("a branch", lambda self, x: x if x.is_meta or x.sum() > 0 else -x, "does not go through torch.compile"),
    ("batch size built in", lambda self, x: x + torch.zeros(4, 8, device=x.device), r"forward\(x \[8, 8\]\) fails"),
    ("python randomness", lambda self, x: x * random.random(), "something else the second time"),
    ("argument", lambda self, x: x.mul_(2) if not x.requires_grad else x * 2, "forward writes to its arguments"),
    ("detach", lambda self, x: x.detach() * 2, "no gradient reaches 'x': a stop belongs in the graph"),
    ("an infinite gradient", lambda self, x: (x * 0).sqrt(), "the gradient of 'x' is not finite"),
    ("half precision", lambda self, x: torch.lerp(x, x.float(), 0.5), "fails in bfloat16"),
    ("overflow", lambda self, x: x.half() * 1e6 if x.dtype == torch.bfloat16 else x, "not finite in bfloat16"),
    ("refusal", never, "forward refuses all that its ports take: ValueError: never"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [f[1:] for f in FORWARDS], ids=[f[0] for f in FORWARDS])
def test_a_broken_forward_is_caught(body: Callable[[Any, Tensor], Tensor], message: str) -> None:
    fails(changed(Base, forward=forward(body)), message)


def with_count(self: Any, sizes: Sizes) -> None:
    self.count = 0
    self.register_buffer("total", torch.zeros(sizes["d"]))


def counting(self: Any, x: Tensor) -> None:
    self.total += x.sum(0)
    self.count += 1


def temporary(self: Any, sizes: Sizes) -> None:
    self.register_buffer("total", torch.zeros(sizes["d"]), persistent=False)


def trained(self: Any, sizes: Sizes) -> None:
    self.total = nn.Parameter(torch.zeros(sizes["d"]))


def plain(self: Any, sizes: Sizes) -> None:
    self.total = torch.zeros(sizes["d"])


def listed(self: Any, sizes: Sizes) -> None:
    self.register_buffer("total", torch.zeros(sizes["d"]))
    self.history = {"old": [torch.zeros(3)]}


def on_the_cpu(self: Any, sizes: Sizes) -> None:
    self.register_buffer("total", torch.zeros(sizes["d"], device="cpu"))


def by_python(self: Any, sizes: Sizes) -> None:
    self.register_buffer("total", torch.full((sizes["d"],), random.random()))


def branching(self: Any, x: Tensor) -> None:
    self.total += x.sum(0) if x.is_meta or x.sum() > 0 else -x.sum(0)


def waiting(self: Any, x: Tensor) -> None:
    self.total += x.sum(0) * float(x.max())


STATES: list[tuple[str, dict[str, Any], str]] = [
    ("a python number", {"__init__": init(with_count), "add": adding(counting)}, "add writes to 'count', which no"),
    ("a buffer that is not saved", {"__init__": init(temporary)}, "add writes to 'total', which no checkpoint holds"),
    ("a trained weight", {"__init__": init(trained)}, "add writes to 'total', which the optimizer trains"),
    ("a plain tensor", {"__init__": init(plain)}, "'total' holds a tensor that is neither saved nor moved"),
    ("tensors in a list", {"__init__": init(listed)}, "'history' holds a tensor that is neither saved nor moved"),
    ("a fixed device", {"__init__": init(on_the_cpu)}, "built on the meta device, 'total' is on cpu"),
    ("another generator", {"__init__": init(by_python)}, "two builds from one seed differ"),
    ("a crash", {"__init__": init(lambda self, sizes: 1 / 0)}, "cannot be built: ZeroDivisionError"),
    ("an unknown size", {"__init__": init(lambda self, sizes: sizes["q"])}, "asks for the size of 'q'"),
    ("the batch as a size", {"__init__": init(lambda self, sizes: sizes["b"])}, "asks for the size of 'b'"),
    ("nothing written", {"add": adding(lambda self, x: None)}, "the update add changes nothing"),
    ("a branch", {"add": adding(branching)}, "add does not go through torch.compile"),
    ("a wait for the device", {"add": adding(waiting)}, r"add\(x \[4, 8\]\) does not run on the meta device"),
    ("written by forward", {"forward": forward(lambda self, x: x + self.total.add_(1))}, "forward writes to 'total'"),
    ("argument", {"add": adding(lambda self, x: self.total.add_(x.mul_(2).sum(0)))}, "add writes to its arguments"),
    ("batch size", {"add": adding(lambda self, x: self.total.add_(x.view(4, 8).sum(0)))}, r"add\(x \[8, 8\]\) fails"),
    ("half precision", {"add": adding(lambda self, x: self.total.lerp_(x[0], 0.5))}, r"add\(x \[4, 8\]\) fails in bf"),
]


@pytest.mark.parametrize(("members", "message"), [s[1:] for s in STATES], ids=[s[0] for s in STATES])
def test_a_broken_state_is_caught(members: dict[str, Any], message: str) -> None:
    fails(changed(Total, **members), message)


def test_state_that_is_left_out_of_the_state_dict() -> None:
    class Hidden(Total):
        """Saves nothing."""

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            destination[prefix + "total"] = torch.zeros_like(self.total)

    fails(Hidden, "forward does something else once the state_dict is loaded: it does not hold all of the state")


def test_an_update_that_gives_a_value() -> None:
    class Giving(Total):
        """Gives what nothing takes."""

        @update
        def add(self, x: Vectors) -> Vectors:
            return x

    fails(Giving, "the update add gives a value: nothing can use it")


def test_a_gradient_out_of_what_is_registered_as_detached() -> None:
    fails(changed(Total), "is registered as detached, but its output carries a gradient", detached=True)


def test_a_weight_without_a_gradient() -> None:
    class Idle(Base):
        """Has a layer that it does not use."""

        def __init__(self, config: Base.Config, sizes: Sizes) -> None:
            super().__init__(config, sizes)
            self.used, self.idle = nn.Linear(sizes["d"], 3), nn.Linear(3, 3)

        def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
            return self.used(x)

    fails(Idle, "no gradient reaches the weight 'idle.bias', the weight 'idle.weight'")


class Baked(Head):
    """Keeps the gain that it was built with."""

    def __init__(self, config: Head.Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.first = config.gain if isinstance(config.gain, float) else float(config.gain.start)

    def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
        return self.layers(x) * self.first


class Reading(Head):
    """Reads the gain from the device."""

    def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
        return self.layers(x) * float(self.gain)


class Scaled(Head):
    """The gain is on the gradient that goes back, and on nothing else."""

    def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
        return self.layers(x.detach() + self.gain * (x - x.detach()))


class BakedScale(Baked):
    """The same, with the gain that it was built with."""

    def forward(self, x: Vectors) -> Annotated[Tensor, "b o"]:
        return self.layers(x.detach() + self.first * (x - x.detach()))


@pytest.mark.parametrize("cls", [Baked, BakedScale])
def test_a_schedule_that_is_not_followed(cls: type[nn.Module]) -> None:
    fails(cls, "'gain' may be scheduled, but nothing follows it: read self.gain where it is used")


def test_a_schedule_that_only_gradients_follow() -> None:
    check_component(register(Scaled))


def test_a_schedule_that_is_read_from_the_device() -> None:
    fails(Reading, r"forward\(x \[4, 8\]\) does not run on the meta device")


def test_writing_to_a_node_that_the_config_names() -> None:
    class Pushing(Average):
        """Moves the node that it should follow."""

        @update
        def follow(self) -> None:
            self._of[0].weight.copy_(self.weight)

    case = {"config": {"of": "layer"}, "sources": {"of": Layer(8, 5)}}
    fails(Pushing, "follow writes to 'weight' of another node", case=case, detached=True)


# -- randomness and views ------------------------------------------------------------------------------------


def test_draws_from_the_global_generator() -> None:
    def draw(self: Any, b: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, ...]:
        return torch.rand(b, 1, 1, 1, device=device), torch.rand(b, 1, 1, 1, device=device)

    fails(changed(Views, draw=draw), "does not depend on its generator alone", traits=("view",))


def test_draws_without_draw_and_the_reverse() -> None:
    class Without(Base):
        """Takes draws that nobody makes."""

        def forward(self, x: Vectors, draws: Tensor) -> Vectors:
            return x * draws

    fails(Without, r"forward takes draws, but there is no draw\(\)")
    fails(changed(Total, draw=Views.draw), "but forward has no draws")


def test_a_wrong_number_of_views() -> None:
    fails(changed(Views, views=staticmethod(lambda config: {"views": 3})), "not a tuple of 3 views", traits=("view",))
    fails(changed(Views, views=staticmethod(lambda config: {})), "does not say how many 'views' has", traits=("view",))


# -- scores and negatives ------------------------------------------------------------------------------------


def test_a_critic_that_ignores_what_was_picked() -> None:
    class All(Critic):
        """Scores all entries."""

        def forward(self, query: Vectors, key: Vectors, negatives: Shown | None = None) -> Pairs:
            return super().forward(query, key, negatives and Negatives(negatives.entries))

    fails(All, r"says scores\[b, b n\], but gives \[4, 12\] where b is 4, n is 5")


def test_a_mask_of_another_size() -> None:
    class Narrow(Critic):
        """Cuts the mask."""

        def forward(self, query: Vectors, key: Vectors, negatives: Shown | None = None) -> Pairs:
            scores = super().forward(query, key, negatives)
            return scores if scores.mask is None else scores._replace(mask=scores.mask[:, 1:])

    fails(Narrow, "gives a mask that does not fit")


@pytest.mark.parametrize("mark", ["mask", "same"])
def test_a_critic_that_drops_what_negatives_say_of_pairs(mark: str) -> None:
    class Forgetful(Critic):
        """Hands on one of two."""

        def forward(self, query: Vectors, key: Vectors, negatives: Shown | None = None) -> Pairs:
            return super().forward(query, key, negatives)._replace(**{mark: None})

    fails(Forgetful, f"drops the {mark}: Scores")


def test_scores_made_of_scores_keep_what_is_said_of_pairs() -> None:
    class Halved(Base):
        """Halves the scores."""

        def forward(self, scores: Pairs) -> Pairs:
            return Scores(scores.positive / 2, None if scores.negative is None else scores.negative / 2)

    fails(Halved, "drops the mask: Scores")


# -- positions -----------------------------------------------------------------------------------------------


def test_any_axes_are_tried_with_positions_and_without() -> None:
    seen = set()

    class Sum(Base):
        """Adds vectors wherever they stand."""

        def forward(self, x: Annotated[Tensor, "b ... d"], y: Annotated[Tensor, "b ... d"]) -> In["b ... d"]:
            seen.add((tuple(x.shape), tuple(y.shape)))
            return x + y

    check_component(register(Sum))
    assert {((4, 8), (4, 8)), ((4, 3, 2, 8), (4, 3, 2, 8))} <= seen
    assert all(x == y for x, y in seen)


def test_a_component_that_says_any_axes_and_takes_none() -> None:
    class Flat(Base):
        """Knows a batch and nothing else."""

        def forward(self, x: Annotated[Tensor, "b ... d"]) -> Vectors:
            return x.mean(1, keepdim=True).expand(-1, 8) if x.ndim == 2 else x

    fails(Flat, r"forward says \[b d\], but gives \[4, 3, 2, 8\]")


def test_positives_of_several_positions_share_their_negatives() -> None:
    class Flattening(Base):
        """Takes a positive for a query."""

        def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
            if scores.negative is None:
                return scores.positive.mean()
            return (scores.negative - scores.positive.unsqueeze(1)).mean()

    fails(Flattening, r"forward\(scores \(positive \[4, 3, 2\], negative \[4, 12\].* fails: RuntimeError")


def test_an_objective_that_fails_for_a_sample_without_negatives() -> None:
    class Naive(Base):
        """Averages over the negatives that are left."""

        def forward(self, scores: Pairs) -> Annotated[Tensor, ""]:
            if scores.negative is None:
                raise ValueError("it needs negatives")
            kept = torch.ones_like(scores.negative) if scores.mask is None else (~scores.mask).to(scores.negative.dtype)
            return ((scores.negative * kept).sum(1) / kept.sum(1) - scores.positive).mean()

    fails(Naive, r"the gradient of 'scores'\[1\] is not finite")


def test_a_component_without_a_docstring() -> None:
    fails(changed(Total, __doc__=""), "needs a docstring")


# -- samples by themselves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_dropout_may_stand_in_what_treats_samples_apart(p: float) -> None:
    class Left(Base):
        """Leaves out half of it."""

        def __init__(self, config: NodeConfig, sizes: Sizes) -> None:
            super().__init__(config, sizes)
            self.layers = nn.Sequential(nn.Linear(sizes["d"], 4), nn.Dropout(p))

        def forward(self, x: Vectors) -> Annotated[Tensor, "b e"]:
            made: Tensor = self.layers(x)
            return made

    check_component(register(Left, traits=("apart",)))


def test_what_mixes_samples_beside_dropout_is_caught() -> None:
    class Mixed(Base):
        """Takes away the mean."""

        def __init__(self, config: NodeConfig, sizes: Sizes) -> None:
            super().__init__(config, sizes)
            self.layers = nn.Sequential(nn.Linear(sizes["d"], 4), nn.Dropout(0.5))

        def forward(self, x: Vectors) -> Annotated[Tensor, "b e"]:
            made: Tensor = self.layers(x)
            return made - made.mean(0)

    fails(Mixed, "says apart, and half of the batch", traits=("apart",))
