"""The optimizer of a training, its learning rate at every moment, and the moving average of its weights."""

import math
from typing import cast

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

    `step` decays before the epoch whose share is a milestone: of 76 epochs, 74/76 leaves 74 at the full rate.
    `one_cycle` rises linearly to the top at `peak` and falls linearly to 0: the cyclic schedule of Wong et al. 2020
    (train_fgsm.py 87, whose peak is at 1/2), a thousandth of the steps ahead while it rises, as their first step
    has rate 0.
    """
    if t.schedule == "step":
        passed = sum(progress >= m for m in t.milestones)
        return math.prod(t.gamma[:passed]) if isinstance(t.gamma, tuple) else t.gamma**passed
    if t.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if t.schedule == "one_cycle":
        return min((progress + 1e-3) / t.peak, (1 - progress) / (1 - t.peak), 1.0)
    return 1.0


def momentum(t: Training, progress: float) -> float:
    """The momentum of SGD at `progress`: from `momentum` to `peak_momentum` and back as the rate rises and falls.

    PyTorch's CyclicLR does so unasked, between 0.9 and 0.8: the codes of Wong et al. 2020 and of N-FGSM have it.
    """
    low = t.momentum if t.peak_momentum is None else t.peak_momentum
    return t.momentum - (t.momentum - low) * rate(t, progress)


def decay(t: Training, step: int) -> float:
    """Decay of the averaged weights after `step` (from 0): `t.ema`, at first (1 + step) / (10 + step) if it warms up.

    The warm-up is AFD's (tl+sl.py 370): in a short training the average forgets its first weights sooner.
    """
    ema = cast(float, t.ema)  # asked for only where weights are averaged
    return min(ema, (1 + step) / (10 + step)) if t.ema_warmup else ema


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
