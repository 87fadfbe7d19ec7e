"""Typed values that name their source: `Strict`, the base of every setting, and `hyper`, a defense's parameter."""

import functools
import math
import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Strict(BaseModel):
    """Unknown keys are errors; a loaded configuration does not change; a number is finite, and no truth value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """`true` is 1 in Python, and an infinite number passes every lower limit."""
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, float) and not math.isfinite(one):
                raise ValueError("a number must be finite")
            if isinstance(one, bool) and _numeric(cls, info.field_name or ""):
                raise ValueError("this must be a number, not true or false")
        return value


@functools.cache
def _numeric(model: type[BaseModel], field: str) -> bool:
    """Whether a field takes numbers and no truth values."""
    inner = _types(model.model_fields[field].annotation)
    return bool(inner & {int, float}) and bool not in inner


def _types(annotation: Any) -> set[Any]:
    return {annotation}.union(*(_types(part) for part in typing.get_args(annotation)))


def hyper(default: Any, source: str, **constraints: Any) -> Any:
    """A hyper-parameter of a defense: its default, where that comes from, and what is allowed."""
    return Field(default, json_schema_extra={"source": source}, **constraints)


def source(field: FieldInfo) -> str:
    """Where a hyper-parameter's default comes from, empty where that is not said."""
    told = field.json_schema_extra
    return str(told.get("source", "")) if isinstance(told, dict) else ""
