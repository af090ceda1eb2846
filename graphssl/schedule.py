"""Values that change during training: `{from: 0.99, to: 1.0, shape: cosine, over: train}`.

A config field declared `Scheduled[PositiveFloat]` takes a number or such a mapping. This module needs no torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveFloat, Tag, model_validator

T = TypeVar("T")


class Schedule(BaseModel, Generic[T]):
    """A value that moves from `from` to `to`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: T = Field(alias="from", description="where it begins")
    end: T = Field(alias="to", description="where it ends")
    shape: Literal["cosine", "linear", "step", "constant"] = Field(
        default="cosine",
        description="`cosine`: to + (from - to)(cos(pi t) + 1)/2 (BYOL, section 3.2); `linear`; `step`: `from`, and "
        "`to` once `over` epochs have passed; `constant`: `from`",
    )
    over: Literal["train"] | PositiveFloat = Field(
        default="train", description="the whole training, or a number of epochs, after which the value stays at `to`"
    )

    @model_validator(mode="after")
    def _step_has_a_place(self) -> Schedule[T]:
        if self.shape == "step" and self.over == "train":
            raise ValueError("a step comes after a number of epochs, as in over: 1")
        return self

    def at(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """The value at optimizer step `step` (from 0) of `steps`."""
        start, end = float(self.start), float(self.end)  # type: ignore[arg-type]
        length = steps if self.over == "train" else self.over * steps_per_epoch
        t = min(step / max(length, 1), 1.0)
        if self.shape == "constant":
            return start
        if self.shape == "step":
            return start if t < 1 else end
        if self.shape == "linear":
            return start + (end - start) * t
        return end + (start - end) * (math.cos(math.pi * t) + 1) / 2


def _is_schedule(value: Any) -> str:
    return "schedule" if isinstance(value, dict | Schedule) else "constant"


if TYPE_CHECKING:
    Scheduled = Union[T, Schedule[T]]  # noqa: UP007  (a generic alias)
else:

    class Scheduled:
        """`Scheduled[PositiveFloat]`: a number, or a `Schedule` both ends of which are such numbers."""

        def __class_getitem__(cls, kind: Any) -> Any:
            constant, schedule = Annotated[kind, Tag("constant")], Annotated[Schedule[kind], Tag("schedule")]
            return Annotated[Union[constant, schedule], Discriminator(_is_schedule)]  # noqa: UP007
