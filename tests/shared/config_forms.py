"""A config that has fields of every form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from graphssl.component import NodeConfig, Scheduled


class Inner(NodeConfig):
    """A choice with options."""

    use: Literal["inner"] = "inner"
    size: PositiveInt = 3
    share: float = 0.5


class Other(NodeConfig):
    """A choice without options."""

    use: Literal["other"] = "other"


class Options(NodeConfig):
    """Fields of every form."""

    needed: int
    bounded: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    moving: Scheduled[Annotated[float, Field(ge=0)]] = 0.5
    word: Literal["a", "b"] = "a"
    only: Literal["c"] = "c"
    either: int | None = None
    flag: bool = False
    several: tuple[float, ...] = (0.1, 2.0)
    names: list[str] = Field(default_factory=list)
    empty: str = ""
    inner: Annotated[Inner | Other, Field(discriminator="use")] = Field(Inner(), description="a choice")
