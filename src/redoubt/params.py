"""Typed values that name their source: `Strict`, the base of every setting, and `hyper`, a defense's parameter."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Strict(BaseModel):
    """Unknown keys are errors; a loaded configuration does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def hyper(default: Any, source: str, **constraints: Any) -> Any:
    """A hyper-parameter of a defense: its default, where that comes from, and what is allowed."""
    return Field(default, json_schema_extra={"source": source}, **constraints)


def source(field: FieldInfo) -> str:
    """Where a hyper-parameter's default comes from, empty where that is not said."""
    told = field.json_schema_extra
    return str(told.get("source", "")) if isinstance(told, dict) else ""
