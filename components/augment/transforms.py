"""Views by any chain of torchvision's transforms, picture by picture, where these are decoded."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.errors import suggest
from graphssl.ports import Cut, scale_of

from .colour import normalise
from .trial import INSTEAD, check_view, noise

__all__ = ["TransformedPictures", "Transforms"]

Entry = str | dict[str, Any]
NESTED = "transforms"
TRIED = ((61, 47), (40, 90))  # height and width of pictures on which a chain is tried
FORCED = (None, 0.0, 1.0)  # in place of the probabilities that transforms have
DRAWN = 8  # views of a picture with the probabilities as they are
ONE_SIZE = (
    "one of them must say the size, whatever is drawn, such as {use: RandomResizedCrop, size: [32, 32]} or {use: "
    "Resize, size: [32, 32]}"
)
SMALLER = "pictures may be smaller than a crop: {use: Resize, size: 256} before it, or pad_if_needed: true"


@dataclass(frozen=True)
class TransformedPictures:
    """Views of a picture, each by the chain with random numbers of its own. size: 0 x 0 until it has been tried."""

    entries: tuple[Any, ...]
    views: int
    size: tuple[int, int] = (0, 0)
    numbers: int = 2

    @cached_property
    def _chain(self) -> nn.Sequential:
        return nn.Sequential(*map(_built, self.entries))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_chain"}

    def __call__(
        self, picture: Annotated[Tensor, "c h w"], uniform: Annotated[Tensor, "v k"]
    ) -> Annotated[Tensor, "v c y x"]:
        made = []
        with torch.random.fork_rng(devices=[]):
            for high, low in (uniform.double() * 2**24).long().tolist():
                torch.manual_seed(high << 24 | low)
                made.append(self._chain(picture))
        return torch.stack(made)

    def tried(self, channels: int, dtype: torch.dtype, image: tuple[int, int]) -> TransformedPictures:
        """With the size of its views. Raises ValueError where they have none, or are no images.

        image: height and width of the data's pictures, which are tried too.
        """
        with torch.device("cpu"):  # though nodes may be in the making on the meta device
            generator = torch.Generator().manual_seed(0)
            sizes = set()
            for sides in (*TRIED, image):
                picture = noise((channels, *sides), dtype, generator)
                made = [one for forced in FORCED for one in self._views(picture, forced, generator)]
                for view in made:
                    check_view(view, picture)
                own = {(view.shape[1], view.shape[2]) for view in made}
                _refuse_chance("sizes", {f"{h} x {w}" for h, w in own})
                _refuse_chance("types", {str(view.dtype).removeprefix("torch.") for view in made})
                sizes |= own
        if len(sizes) > 1:
            raise ValueError(
                f"the transforms give views of different sizes for pictures of different sizes: {ONE_SIZE}"
            )
        return replace(self, size=sizes.pop())

    def _views(self, picture: Tensor, forced: float | None, generator: torch.Generator) -> Iterator[Tensor]:
        """Views for a trial. forced: in place of each probability that a transform has."""
        again = replace(self, views=DRAWN if forced is None else 1)
        for part in again._chain.modules():
            if forced is not None and isinstance(getattr(part, "p", None), float):
                part.p = forced  # type: ignore[assignment]  # a number, as isinstance has seen
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                yield from (again._chain(picture) for _ in range(again.views))
        except Exception as error:  # each transform checks what it gets in its own way
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            size = " x ".join(map(str, picture.shape[1:]))
            raise ValueError(f"the transforms cannot take a picture of {size} pixels: {reason}; {SMALLER}") from error


@component("augment.torchvision", traits=("view",))
class Transforms(nn.Module):
    """Views by `torchvision.transforms.v2`, picture by picture, in the processes that read them; normalised at the end.

    A transform is its class's name, or has arguments: `{use: RandomRotation, degrees: 30}`; those that hold others take
    a list, `{use: RandomApply, p: 0.3, transforms: [{use: GaussianBlur, kernel_size: 5}]}`. One of them says the size.
    It makes up for what `augment.chain` lacks, which is batched and several times as fast.
    """

    cuts_only = True

    class Config(NodeConfig):
        leaves_out = ("transforms",)

        transforms: tuple[Entry, ...] = Field(description="names of classes, or {use: name} with their arguments")
        views: PositiveInt = Field(2, le=1000, description="views of each image")

        @model_validator(mode="after")
        def _can_be_built(self) -> Transforms.Config:
            for entry in self.transforms:
                _built(entry)
            return self

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        data = sizes.data
        cut = TransformedPictures(config.transforms, config.views).tried(
            data.channels, getattr(torch, data.dtype), data.image
        )
        self.cuts: tuple[Cut, ...] = (cut,)
        self.mean, self.std, self.count = data.mean, data.std, config.views

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        return {"": config.views}

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[tuple[Tensor, ...], "b c y x"]:
        if isinstance(image, Tensor):  # whose sizes are worked out; a batch comes cut
            shape = (len(image) * self.count, image.shape[1], *self.cuts[0].size)
            made = image.new_empty(shape, dtype=torch.uint8, device="meta" if image.is_meta else image.device)
        else:
            (made,) = image
        return normalise((made / scale_of(made)).unbind(1), self.mean, self.std).chunk(self.count)


def _refuse_chance(what: str, found: set[str]) -> None:
    if len(found) > 1:
        first = " and ".join(sorted(found)[:2])
        raise ValueError(f"the transforms give views of different {what} by chance, {first}: {ONE_SIZE}")


def _built(entry: Any) -> Any:
    """A transform. Raises ValueError for a name that torchvision does not have, and for wrong arguments."""
    values = {"use": entry} if isinstance(entry, str) else dict(entry)
    name = values.pop("use", None)
    if not isinstance(name, str):
        raise ValueError("a transform is its name, or {use: name} with its arguments")
    known = _classes()
    if name in INSTEAD:
        raise ValueError(f"{name} makes no view of a picture here: {INSTEAD[name]}")
    if name not in known:
        raise ValueError(f"torchvision.transforms.v2 has no '{name}'; {suggest(name, known).text or ''}".rstrip("; "))
    arguments = inspect.signature(known[name]).parameters
    for argument in values:
        if argument not in arguments:
            hint = suggest(argument, arguments).text or f"it has {', '.join(arguments)}"
            raise ValueError(f"{name} has no argument '{argument}'; {hint}")
    if isinstance(values.get(NESTED), list | tuple):
        values[NESTED] = [_built(inner) for inner in values[NESTED]]
    try:
        return known[name](**{key: _as_torch_has_it(key, value) for key, value in values.items()})
    except Exception as error:  # each transform checks its arguments in its own way
        raise ValueError(f"{name}: {str(error).splitlines()[0]}") from error


def _as_torch_has_it(argument: str, value: Any) -> Any:
    """An argument that is no plain value in Python, from its name: a type of numbers, an interpolation, a policy."""
    from torchvision.transforms import v2

    if not isinstance(value, str):
        return value
    if argument == "dtype":
        dtype = getattr(torch, value, None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"torch has no type of numbers called '{value}', as there are float32 and uint8")
        return dtype
    enum = {"interpolation": v2.InterpolationMode, "policy": v2.AutoAugmentPolicy}.get(argument)
    return value if enum is None else enum(value)


def _classes() -> Mapping[str, type]:
    from torchvision.transforms import v2

    found = {name: cls for name, cls in vars(v2).items() if inspect.isclass(cls)}
    return {name: cls for name, cls in found.items() if issubclass(cls, v2.Transform) and cls is not v2.Transform}
