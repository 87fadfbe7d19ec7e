"""UIAT, inverse adversaries: Dong, Moosavi-Dezfooli, Lai, Xie, CVPR 2023 (arXiv 2211.00525).

The authors published no code. Each hyper-parameter's source says what supports it; `ours` is a choice of this
replication where no public source states the paper's value.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.engine import attacking
from redoubt.attacks.core.pgd_step import ascend, random_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.uiat import InverseParams, UiatParams
from redoubt.defenses.trades import kl
from redoubt.models.base import Classifier


class WithInverse(nn.Module):
    """A classifier f and what UIAT keeps beside it.

    Attributes:
        classifier: f.
        delta: (C, channels, H, W), or (1, ...), universal inverse perturbations in pixels, zero at first.
        q: (N, K), target prediction of each training image, or (K, K) of each class; a row of zeros before its first
            visit. It has no rows until the first step says how many there are, or a state dict brings them.
    """

    delta: Tensor
    q: Tensor

    def __init__(self, classifier: Classifier, delta: Tensor, num_classes: int):
        super().__init__()
        self.classifier = classifier
        self.register_buffer("delta", delta)
        self.register_buffer("q", torch.zeros(0, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        if (kept := state_dict.get(f"{prefix}q")) is not None:
            self.q = self.q.new_zeros(kept.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class InverseAlignment(Defense[WithInverse]):
    """min E[ CE(f(x_adv), y) + lam KL(q || f(x_adv)) ]; a subclass makes x_adv.

    q is the momentum over the predictions of the inverse adversary x_inv, which minimises the inverse objective J.
    """

    paper = "2211.00525"
    Params = InverseParams
    params: InverseParams

    def build(self) -> WithInverse:
        classifier = self.classifier()
        rows = 1 if self.params.perturbation == "all" else self.num_classes
        delta = torch.zeros(rows, self.in_channels, self.image_size, self.image_size)
        return WithInverse(classifier, delta, self.num_classes)

    def initialize(self, model: WithInverse, source: nn.Module) -> None:
        model.classifier.load_state_dict(source.state_dict())

    def deployed(self, model: WithInverse) -> nn.Module:
        return model.classifier

    def adversary(self, batch: Batch, state: State) -> Tensor:
        """x_adv (N, C, H, W), detached."""
        raise NotImplementedError(f"{type(self).__name__} has no outer attack")

    def loss(self, batch: Batch, state: State):
        return self.aligned(self.adversary(batch, state), batch, state)

    def aligned(self, x_adv: Tensor, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss with x_adv (N, C, H, W) given, and what to log."""
        f, p = state.model.classifier, self.params
        t0 = None if p.one_off is None else int(p.one_off * state.epochs)
        early = t0 is not None and state.epoch < t0 and p.before == "none"
        if p.lam == 0 or early:
            ce = F.cross_entropy(f(x_adv), batch.y)
            return ce, {"adversarial": ce.detach(), "alignment": torch.zeros_like(ce.detach())}
        x_inv = self.inverse(batch, x_adv, state, moving=t0 in (None, state.epoch))
        with torch.set_grad_enabled(p.direction == "adversarial_first"):
            p_inv = f(x_inv).softmax(1)
            target = self.average(p_inv, batch, state)
        logits = f(x_adv)
        ce = F.cross_entropy(logits, batch.y)
        log_target = target.clamp_min(torch.finfo(target.dtype).tiny).log()
        log_p_adv = logits.log_softmax(1)
        if p.direction == "target_first":
            alignment = kl(log_target, log_p_adv).mean()
        else:
            alignment = kl(log_p_adv, log_target).mean()
        return ce + p.lam * alignment, {"adversarial": ce.detach(), "alignment": alignment.detach()}

    def average(self, p_inv: Tensor, batch: Batch, state: State) -> Tensor:
        """q_i <- m q_i + (1 - m) p_inv, kept without its graph; q_i = p_inv at the first visit.

        Of a class, q_c takes the mean p_inv of its images in the batch, and is the target of each of them.

        Args:
            p_inv: (N, K) probabilities of the inverse adversaries.

        Returns:
            (N, K), a gradient flowing through p_inv alone, if it has one.
        """
        model, m, index = state.model, self.params.momentum, batch.index
        # The first batch is a full one, so this is at least the number of training images.
        rows = state.steps_per_epoch * len(index)
        if self.params.momentum_of == "class":
            index, rows = batch.y, self.num_classes
            with torch.autocast(p_inv.device.type, enabled=False):
                members = F.one_hot(index, rows).to(p_inv.dtype).T
                p_inv = ((members @ p_inv) / members.sum(1, keepdim=True).clamp_min(1))[index]
        if not len(model.q):
            model.q = p_inv.new_zeros(rows, self.num_classes, dtype=model.q.dtype)
        past = model.q[index]
        visited = past.sum(1, keepdim=True) > 0
        target = torch.where(visited, m * past + (1 - m) * p_inv, p_inv)
        model.q[index] = target.detach().to(model.q.dtype)
        return target

    def inverse(self, batch: Batch, x_adv: Tensor, state: State, moving: bool) -> Tensor:
        """x_inv (N, C, H, W) in [0, 1], detached: near x, where the true class is likely.

        Args:
            moving: whether the universal perturbations take a step first.
        """
        p, model, x = self.params, state.model, batch.x
        if p.perturbation == "natural":
            return x
        with attacking(model, p.mode_inv):
            if p.perturbation == "instance":
                return ascend(
                    self.objective(model.classifier, batch, x_adv),
                    x,
                    eps=p.eps_inv * self.eps,
                    step_size=p.step_inv * self.eps,
                    steps=p.steps_inv,
                    norm=self.norm,
                    start=random_start(x, self.norm, p.eps_inv * self.eps, state.generator),
                    descend=True,
                )
            c = batch.y % len(model.delta)  # all labels share the only row of `all`
            if moving:
                u = (x + model.delta[c]).clamp(0, 1).requires_grad_()
                with torch.enable_grad():
                    (g,) = torch.autograd.grad(self.objective(model.classifier, batch, x_adv)(u).sum(), u)
                model.delta.copy_(self.descend(model.delta, g, c))
        return (x + model.delta[c]).clamp(0, 1)

    def objective(self, f: Classifier, batch: Batch, x_adv: Tensor):
        """J of each example, (N,), as a function of x_inv: cross-entropy, and what keeps it from overfitting.

        prob_kl: KL(f(x) || f(x_inv)) - KL(f(x_adv) || f(x_inv)), and feat_l2:
        ||h(x_inv) - h(x)||^2 - ||h(x_inv) - h(x_adv)||^2 with h the penultimate features: near the natural
        example and far from the adversarial one. x and x_adv are constants. Where f is in train mode x_adv passes
        anew with each x_inv, as every pass moves the running statistics.
        """
        p = self.params
        ce = lambda logits: F.cross_entropy(logits, batch.y, reduction="none")
        if p.regularizer == "none":
            return lambda z: ce(f(z))

        @torch.no_grad()
        def constant(x: Tensor) -> tuple[Tensor, Tensor]:
            h = f.features(x)
            return h, f.head(h).log_softmax(1)

        h, log_p = constant(batch.x)
        known = constant(x_adv) if p.mode_inv == "eval" else None

        def j(z: Tensor) -> Tensor:
            h_inv = f.features(z)
            logits = f.head(h_inv)
            h_adv, log_p_adv = known or constant(x_adv)
            if p.regularizer == "prob_kl":
                log_p_inv = logits.log_softmax(1)
                reg = kl(log_p, log_p_inv) - kl(log_p_adv, log_p_inv)
            else:
                reg = (h_inv - h).square().sum(1) - (h_inv - h_adv).square().sum(1)
            return ce(logits) + p.weight * reg

        return j

    def descend(self, delta: Tensor, g: Tensor, c: Tensor) -> Tensor:
        """delta_c <- clip( delta_c - step sign( sum over y_i = c of g_i ) ), a ball of radius eps_inv.

        A class that the batch lacks keeps its perturbation. In l2, the normalised sum takes the sign's place.

        Args:
            delta: (C, channels, H, W).
            g: (N, channels, H, W), gradient of J at each inverse adversary.
            c: (N,), the row of delta that each example uses.
        """
        eps, size = self.params.eps_inv * self.eps, self.params.step_inv * self.eps
        with torch.autocast(g.device.type, enabled=False):  # bf16 would change the sign of small sums
            total = (F.one_hot(c, len(delta)).to(g.dtype).T @ g.flatten(1)).view_as(delta)
        if self.norm == "linf":
            return (delta - size * total.sign()).clamp(-eps, eps)
        length = lambda v: v.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        moved = delta - size * total / length(total)
        return moved * (eps / length(moved)).clamp_max(1)


class Uiat(InverseAlignment):
    """UIAT and, by `perturbation`, its instance-wise form IAT and its control that aligns with x itself."""

    Params = UiatParams
    params: UiatParams

    def adversary(self, batch: Batch, state: State) -> Tensor:
        f = state.model.classifier
        ce = lambda z: F.cross_entropy(f(z), batch.y, reduction="none")
        return self.perturb(state.model, batch, state, ce, mode=self.params.mode)

    def step(self, batch: Batch, state: State) -> dict[str, Tensor]:
        x_adv = self.adversary(batch, state)
        metrics = self.apply(*self.aligned(x_adv, batch, state), state)
        if self.params.last_pass:
            with torch.no_grad():
                state.model.classifier(x_adv)
        return metrics
