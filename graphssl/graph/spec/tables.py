"""Fields whose choices are the rows of a table, so that a new row is all that a new choice takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .section import Section


@dataclass(frozen=True, eq=False)
class NameIn:
    """`Annotated[str, NameIn(TABLE)]`: one of the table's names, as a `Literal` of them would take it."""

    table: Mapping[str, object]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.table))


@dataclass(frozen=True, eq=False)
class ConfigIn:
    """`Annotated[Base, ConfigIn(TABLE)]`: one of the table's sections, told apart by `use`."""

    table: Mapping[str, type[Section]]

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        union = Union[tuple(self.table.values())]  # type: ignore[valid-type]  # noqa: UP007
        return handler.generate_schema(Annotated[union, Field(discriminator="use")])
