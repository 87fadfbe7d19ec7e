"""The optimizer of a training, its learning rate at every moment, and the moving average of its weights."""

import math

import torch
from torch import nn

from redoubt.config import Training


def optimizer(t: Training):
    """A maker of the study's optimizer: `make(parameters, lr=…)`."""

    def make(parameters, *, lr: float = t.lr, **changes) -> torch.optim.Optimizer:
        settings = {"weight_decay": t.weight_decay, "fused": True}  # one kernel instead of one a tensor
        if t.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=lr, **{**settings, **changes})
        settings |= {"momentum": t.momentum, "nesterov": t.nesterov}
        return torch.optim.SGD(parameters, lr=lr, **{**settings, **changes})

    return make


def rate(t: Training, progress: float) -> float:
    """Factor of the learning rate at `progress` in [0, 1) of the training.

    `one_cycle` rises linearly to the top at 40 % and falls linearly to 0 (the cyclic schedule of
    Wong et al. 2020, with its peak at 2/5).
    """
    if t.schedule == "step":
        return t.gamma ** sum(progress >= m for m in t.milestones)
    if t.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if t.schedule == "one_cycle":
        return min((progress + 1e-3) / 0.4, (1 - progress) / 0.6, 1.0)
    return 1.0


def average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    """ema <- decay * ema + (1 - decay) * model; counters and flags are copied.

    A buffer that got its size after the twin was made (predictions kept for each training image) is left out.
    """
    both = zip(ema.state_dict().values(), model.state_dict().values(), strict=True)
    pairs = [(kept, new) for kept, new in both if kept.shape == new.shape]
    with torch.no_grad():
        if moving := [pair for pair in pairs if pair[0].dtype.is_floating_point]:
            torch._foreach_lerp_([kept for kept, _ in moving], [new for _, new in moving], 1 - decay)
        for kept, new in pairs:
            if not kept.dtype.is_floating_point:
                kept.copy_(new)
