"""Every random draw of a run comes from a seed derived here, by name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part, e.g. `derive(run.seed, "epoch", 3)`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(device: torch.device | str, *parts: object) -> torch.Generator:
    """A fresh generator on `device`, seeded by `derive(*parts)`."""
    import torch  # here, because preparing data needs `derive` only and torch costs seconds to import

    return torch.Generator(device=device).manual_seed(derive(*parts))
