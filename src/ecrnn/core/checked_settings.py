"""What all typed settings are made of: frozen, strict about unknown keys, and what is wrong is one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError

from ecrnn.core.settings_faults import check_keys, one_line


class Settings(BaseModel):
    """Base: frozen, strict about unknown keys, errors in one line."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @field_validator("*", mode="wrap")
    @classmethod
    def _no_truth_value(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """True is no 1, and what YAML reads as true or false ("yes", "off") is no number; no setting is either."""
        result = read(value)
        if isinstance(value, bool):
            raise PydanticCustomError("truth_value", "expected a number")
        return result

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Check ``values`` and make settings of them.

        Args:
            values: nested plain data.
            where: what the values come from, for the error.

        Raises:
            EcrnnError: the first thing wrong, in one line.
        """
        check_keys(values, where)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise one_line(cls, error, where) from error
