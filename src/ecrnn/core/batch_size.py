"""Type and bounds of the setting batch_size: a number, or "auto", which `ecrnn train` decides when it begins."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema

_Number = Annotated[int, Field(ge=2, le=65_536)]  # one image a batch has no batch statistics


def _number_or_auto(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """The schema of a number, whose errors are those of numbers, that lets "auto" pass."""
    return core_schema.no_info_wrap_validator_function(
        lambda value, read: value if value == "auto" else read(value),
        handler.generate_schema(_Number),
        serialization=core_schema.simple_ser_schema("any"),
    )


BatchSize = Annotated[int | Literal["auto"], GetPydanticSchema(_number_or_auto)]
