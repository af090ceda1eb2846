"""A view as a list of operations: what every published recipe is, and any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, PositiveInt, Tag, TypeAdapter, model_validator
from torch import Tensor

from graphssl.component import DataFacts, NodeConfig, Sizes, component

from .base import Augmentation
from .boxes import Boxes
from .operation import Operation
from .operations import Flip, Operations
from .settings import Area, Size, Span, sides
from .view import Parameters, RandomCrop, View

__all__ = ["Chain"]


class Crop(NodeConfig):
    """A random part of the picture, resized to `size`; torchvision's `RandomResizedCrop`."""

    use: Literal["crop"] = "crop"
    area: Area = Field((0.08, 1.0), description="smallest and largest share of the picture's area")
    ratio: Span = Field((3 / 4, 4 / 3), description="smallest and largest width over height")


WithOptions = Annotated[Crop | Operations, Field(discriminator="use")]
if TYPE_CHECKING:
    ByName = str
else:
    ByName = Literal[tuple(cls.model_fields["use"].default for cls in get_args(Crop | Operations))]
Step = Annotated[
    Annotated[ByName, Tag("name")] | Annotated[WithOptions, Tag("mapping")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "mapping"),
]
ADAPTER = TypeAdapter[Any](WithOptions)
Steps = tuple[Step, ...]


@component("augment.chain", traits=("view",))
class Chain(Augmentation):
    """Views that are made by a list of operations, each with numbers of its own for each image; normalised at the end.

    uint8 images (or uint16) to float32, `b c y x`, normalised with the data's statistics. An operation is its name,
    `flip`, or has options, `{use: blur, p: 0.5, sigma: [0.1, 2.0]}`. `crop` comes first, if at all: without it the
    picture is taken as it is evaluated. All are equal to torchvision's functional transforms on float tensors.
    """

    class Config(NodeConfig):
        leaves_out = ("operations",)

        operations: Steps | None = Field(None, description="what is done, in this order, for every view")
        views: PositiveInt | tuple[Steps, ...] = Field(
            2, description="views of each image: their number, or a list of operations for each"
        )
        size: Size = Field(None, description="of a view in pixels: one number, or [height, width]; null: data.size")
        boxes: Boxes = False

        @model_validator(mode="after")
        def _one_of_both(self) -> Chain.Config:
            if isinstance(self.views, int) == (self.operations is None):
                raise ValueError(
                    "say what is done: `operations: [crop, flip]` for all views, or `views: [[crop, flip], [crop]]`, a "
                    "list for each, and one of the two"
                )
            for steps in self.each():
                late = next((i for i, step in enumerate(steps) if isinstance(step, Crop) and i > 0), None)
                if late is not None:
                    raise ValueError(f"crop comes first, it is cut of the whole picture; here it is number {late + 1}")
            return self

        def each(self) -> list[list[Crop | Operation]]:
            """The operations of each view."""
            lists = [self.operations or ()] * self.views if isinstance(self.views, int) else self.views
            return [[_named(step) for step in steps] for steps in lists]

    def __init__(self, config: Config, sizes: Sizes) -> None:
        size = sides(config.size, sizes.data)
        super().__init__([view_of(steps, size, sizes.data) for steps in config.each()], sizes, boxes=config.boxes)

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        count = len(config.each())
        return {"views": count, "boxes": count} if config.boxes else {"": count}

    def forward(
        self, image: Annotated[Tensor, "b c h w"], draws: tuple[Parameters, ...]
    ) -> Annotated[tuple[Tensor, ...], "b c y x"]:
        return self.families(self.render(image, draws))


def _named(step: Any) -> Any:
    """The operation; a bare name is one with its defaults."""
    return ADAPTER.validate_python({"use": step}) if isinstance(step, str) else step


def view_of(steps: Sequence[Any], size: tuple[int, int], data: DataFacts) -> View:
    """A view's settings. It is mirrored as it is cropped where nothing before that asks where pixels are."""
    crop = next((RandomCrop(area=step.area, ratio=step.ratio) for step in steps if isinstance(step, Crop)), None)
    rest = [step for step in steps if not isinstance(step, Crop)]
    first = next((i for i, step in enumerate(rest) if step.spatial), len(rest))
    mirrored = rest.pop(first) if first < len(rest) and _is_mirror(rest[first]) else None
    return View(
        size=size, crop=crop, flip=0.0 if mirrored is None else mirrored.p, operations=tuple(rest), mean=data.mean,
        std=data.std,
    )  # fmt: skip


def _is_mirror(step: Any) -> bool:
    return isinstance(step, Flip) and step.axis == "horizontal"
