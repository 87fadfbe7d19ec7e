"""StAdv (Xiao et al. 2018): moves pixels instead of changing them, by a smooth and bounded flow field."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model, batched, predict
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.core.eot import expectation, is_random
from redoubt.attacks.core.losses import margin
from redoubt.attacks.stadv_optimizers import OPTIMIZERS, Search
from redoubt.errors import RedoubtError, nearest
from redoubt.seeds import generator

FIRST = 0.01  # share of the bound of the random first flow: at 0 exactly, bilinear sampling has a kink


@attack("linf", covers=True)
def stadv(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 100,
    optimizer: str = "adam",
    learning_rate: float = 0.2,
    smoothness: float = 0.05,
    eot: int = 1,
    early_stop: bool = True,
) -> AttackResult:
    """Maximises margin - smoothness * L_flow over flows of at most eps; keeps each example's strongest iterate.

    L_flow is the paper's eq. 4: the sum over pixels and their four neighbours of the distance of their flows.
    Pixels beyond the border repeat the border, so the result is inside [0, 1] by construction.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: bound of the flow, in units of half the image's side, as `grid_sample` counts: 0.05 (authors' code of
            DiffPure and AToP) moves a pixel of a 32x32 image by at most 0.8 pixels. It is no bound of any norm of
            the pixels' change, so the result is only checked against [0, 1].
        norm: linf, of the flow.
        seed: of the first flow, drawn for the whole set at once.
        steps: iterations of the optimizer; 100 in DiffPure's protocol.
        optimizer: adam, with the flow clamped to the bound after each step; or lbfgs as in the paper, each example
            with its own line search, on arctanh(flow / eps).
        learning_rate: Adam's, as a share of eps; 0.01 / 0.05 in DiffPure's code.
        smoothness: weight of L_flow; 0.05 in the paper and in DiffPure's code.
        eot: gradients averaged, for a random model.
        early_stop: an example is done with its first misclassified iterate.

    Returns:
        `info` has the largest flow used, in units of eps and in pixels.

    Raises:
        RedoubtError: see `entry_exit.attack`; an unknown optimizer; fewer than one step.
    """
    if optimizer not in OPTIMIZERS:
        raise RedoubtError(
            "unknown optimizer", value=optimizer, allowed=OPTIMIZERS, nearest=nearest(optimizer, OPTIMIZERS)
        )
    if steps < 1:
        raise RedoubtError("an attack needs one or more", key="steps", value=steps)
    counted, lucky = expectation(model, eot), is_random(model, x)
    stop = early_stop and not lucky
    wrong = predict(counted, x, batch_size).argmax(1) != y
    rows = (~wrong).nonzero()[:, 0] if stop else torch.arange(len(x), device=x.device)
    first = x.new_empty(len(x), *x.shape[2:], 2).uniform_(-1, 1, generator=generator(x.device, seed, "stadv"))

    def work(part: slice) -> tuple[Tensor, Tensor]:
        some = rows[part]
        evaluate = _objective(counted, x[some], y[some], smoothness)
        search = Search(evaluate, eps * FIRST * first[some], eps, steps, learning_rate * eps, stop, lucky)
        flow = OPTIMIZERS[optimizer](search)
        return warp(x[some], flow), flow

    x_adv, largest = x.clone(), 0.0
    if len(rows):
        x_adv[rows], flow = batched(work, len(rows), batch_size)
        largest = flow.abs().max().item()
    info = {
        "bound": eps,
        "unit": "half the image's side",
        "largest_flow": largest,
        "largest_flow_pixels": largest * max(x.shape[2:]) / 2,
    }
    if largest > eps * (1 + 1e-6):
        raise RedoubtError(
            "the flow left its bound: no number was recorded", value=largest, allowed=f"up to {eps}"
        )
    return finish(counted, x_adv, x, y, eps, None, batch_size, seed=seed, **info)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Each pixel of x (N, C, H, W) read where its flow (N, H, W, 2: right, down) points, bilinearly."""
    n, _, height, width = x.shape
    across = (torch.arange(width, device=x.device, dtype=x.dtype) * 2 + 1) / width - 1
    down = (torch.arange(height, device=x.device, dtype=x.dtype) * 2 + 1) / height - 1
    still = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1).expand(n, -1, -1, -1)
    return F.grid_sample(x, still + flow, padding_mode="border", align_corners=False).clamp(0, 1)


def roughness(flow: Tensor) -> Tensor:
    """(N,) L_flow of flows (N, H, W, 2): every pair of neighbours counts twice, once from each side."""
    right = (flow[:, :, 1:] - flow[:, :, :-1]).square().sum(-1)
    down = (flow[:, 1:] - flow[:, :-1]).square().sum(-1)
    distance = [(d + 1e-10).sqrt().flatten(1).sum(1) for d in (right, down)]  # the root has no slope at 0
    return 2 * (distance[0] + distance[1])


def _objective(model: Counted, x: Tensor, y: Tensor, smoothness: float):
    """(flow (M, H, W, 2), which examples (M,)) -> (loss (M,) to be minimised, its gradient, misclassified (M,))."""

    def evaluate(flow: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        labels = y[rows]
        flow = flow.detach().requires_grad_()
        with torch.enable_grad():
            image, rough = warp(x[rows], flow), roughness(flow)
        gain, slope, logits = model.value_and_gradient(lambda logits: margin(logits, labels), image)
        ones = torch.ones_like(rough)
        outputs = ([image, rough], [-slope.nan_to_num(0, 0, 0), smoothness * ones])
        (gradient,) = torch.autograd.grad(outputs[0], flow, outputs[1])
        return smoothness * rough.detach() - gain, gradient, logits.argmax(1) != labels

    return evaluate
