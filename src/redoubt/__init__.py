"""Redoubt re-runs, re-attacks and judges published defenses against adversarial examples.

report = redoubt.judge(model, x, y, norm="linf", eps=8 / 255)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "judge"]


def __getattr__(name: str) -> Any:
    """`judge`, imported when it is asked for: it costs torch, which naming the package does not."""
    if name == "judge":
        return import_module("redoubt.judging").judge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
