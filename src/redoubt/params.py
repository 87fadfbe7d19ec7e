"""Typed values that name their source: `Strict`, the base of every setting, and `hyper`, a defense's parameter."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Unknown keys are errors; a loaded configuration does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def hyper(default: Any, source: str, **constraints: Any) -> Any:
    """A hyper-parameter of a defense: its default, where that comes from, and what is allowed."""
    return Field(default, json_schema_extra={"source": source}, **constraints)
