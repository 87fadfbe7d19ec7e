"""RiFT, robust critical fine-tuning: Zhu, Hu, Wang, Xie, Yang, ICCV 2023 (arXiv 2308.02533).

An adversarially trained network's least robust-critical module is fine-tuned on natural images, and the result is
interpolated with the start. It is the one fine-tuning baseline of AFD that starts from a robust network.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from redoubt.attacks.core.engine import evaluating
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.rift import RiftParams
from redoubt.defenses.vaft import WithStart
from redoubt.errors import RedoubtError, nearest
from redoubt.models.base import Classifier

FACTORS = tuple(i / 10 for i in range(11))  # RiFT/utils.py 27


class WithChoice(WithStart):
    """What is fine-tuned and what has been chosen.

    Attributes:
        classifier, start: theta_FT and theta_AT.
        chosen: the place of the module in `modules`, -1 before.
        factor: of the interpolation; 1 until the training has ended.
    """

    chosen: Tensor
    factor: Tensor

    def __init__(self, classifier: Classifier, factor: float):
        super().__init__(classifier)
        self.register_buffer("chosen", torch.tensor(-1))
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))


def modules(classifier: nn.Module) -> list[str]:
    """The convolutions and linear layers by name, in order: what may be fine-tuned."""
    return [name for name, m in classifier.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def criticality(f: nn.Module, module: str, x_adv: Tensor, y: Tensor, radius: float, steps: int) -> Tensor:
    """MRC, definition 3.1: the rise of CE(f(x_adv), y) under the worst change of one module's weight.

    Gradient ascent of rate 1 on the weight, whose change is scaled back to `radius` times the weight's Frobenius
    norm after each step, as in the authors' code.

    Args:
        f: in eval mode; not changed.
        x_adv: (N, C, H, W) adversarial images. y: (N,) labels.

    Returns:
        0-dim, at least minus the loss at the start.
    """
    name = f"{module}.weight"
    kept = dict(f.named_parameters())[name].detach()
    value = lambda w: F.cross_entropy(functional_call(f, {name: w}, (x_adv,)), y)
    w, start = kept, value(kept).detach()
    worst = torch.zeros_like(start)
    for _ in range(steps):
        w = w.detach().requires_grad_()
        (g,) = torch.autograd.grad(value(w), w)
        change = w.detach() + g - kept
        w = kept + change * (radius * kept.norm() / change.norm().clamp_min(1e-12)).clamp_max(1)
        worst = torch.maximum(worst, value(w).detach())
    return worst - start


class Rift(Defense[WithChoice]):
    """min over one module's weights of CE(f(x), y); deployed is theta_AT + factor (theta_FT - theta_AT)."""

    paper = "2308.02533"
    selects_on = "clean"

    Params = RiftParams
    params: RiftParams

    def build(self) -> WithChoice:
        factor = 1.0 if self.params.factor == "validation" else self.params.factor
        model = WithChoice(self.classifier(), factor)
        known, wanted = modules(model.classifier), self.params.module
        if wanted != "lowest" and wanted not in known:
            raise RedoubtError(
                "this classifier has no such module", key="module", value=wanted,
                allowed=["lowest", *known], nearest=nearest(wanted, known),
            )  # fmt: skip
        return model

    def initialize(self, model: WithChoice, source: nn.Module) -> None:
        model.take(source)

    def deployed(self, model: WithChoice) -> nn.Module:
        """Weights and batch norm's statistics interpolated alike; shares no storage with the model."""
        f = copy.deepcopy(model.start)
        with torch.no_grad():
            for kept, new in zip(
                f.state_dict().values(), model.classifier.state_dict().values(), strict=True
            ):
                if kept.dtype.is_floating_point:
                    kept.lerp_(new, model.factor.to(kept.dtype))
        return f

    def finish(self, model: WithChoice, evaluate: Callable[[], tuple[float, float]]) -> None:
        """The factor of highest clean accuracy among those not less robust than the start.

        Of equals the largest: where validation images see no difference the smallest would undo the fine-tuning.
        """
        if self.params.factor != "validation":
            return
        found = {}
        for factor in FACTORS:
            model.factor.fill_(factor)
            found[factor] = evaluate()
        least = found[0.0][1] - self.params.loss_allowed
        allowed = [factor for factor, (_, robust) in found.items() if robust >= least]
        model.factor.fill_(max(allowed, key=lambda factor: (found[factor][0], factor)))

    def choose(self, batch: Batch, state: State) -> str:
        """The module of lowest MRC on the first batch, or the one that is named; kept for the whole training."""
        model, p = state.model, self.params
        names = modules(model.classifier)
        if p.module != "lowest":
            return p.module
        if model.chosen < 0:
            f = model.start
            x_adv = self.perturb(f, batch, state, lambda z: F.cross_entropy(f(z), batch.y, reduction="none"))
            with evaluating(f):
                mrc = [criticality(f, n, x_adv, batch.y, p.radius, p.ascent) for n in names]
            model.chosen.copy_(torch.stack(mrc).argmin())
        return names[int(model.chosen)]

    def step(self, batch: Batch, state: State) -> dict[str, Tensor]:
        """One step on the chosen module: the optimizer passes over weights that have no gradient."""
        f = state.model.classifier
        chosen = f.get_submodule(self.choose(batch, state))
        loss = F.cross_entropy(f(batch.x), batch.y)
        weights = list(chosen.parameters())
        for w, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            w.grad = g
        state.optimizers["model"].step()
        state.optimizers["model"].zero_grad(set_to_none=True)
        return {"loss": loss.detach()}
