"""Every random draw of a run comes from a seed derived here, by name."""

import hashlib

import torch


def derive(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part, e.g. `derive(run.seed, "epoch", 3)`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(device: torch.device | str, *parts: object) -> torch.Generator:
    """A fresh generator on `device`, seeded by `derive(*parts)`."""
    return torch.Generator(device=device).manual_seed(derive(*parts))
