"""CURE, conserve - update - revise: Gowda, Zonooz, Arani, ICLR 2024 (arXiv 2401.14948).

Symbols as in the paper's section 4: theta is the trained network, theta_rev the revision network, both start from
a network trained on natural images (ST). `Cure` trains from there; `CureEff` (appendix B) trains naturally first
and switches inside the same budget of epochs.
"""

import copy
import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.engine import evaluating
from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.defenses.trades import kl
from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier


class Revised(nn.Module):
    """theta with its revision network.

    Attributes:
        classifier: theta.
        revision: theta_rev; no gradient reaches it.
        t: 0-dim int64, steps taken since the revision network was set.
    """

    t: Tensor

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier, self.revision = classifier, copy.deepcopy(classifier).requires_grad_(False)
        self.register_buffer("t", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)

    @torch.no_grad()
    def copy(self) -> None:
        """theta_rev <- theta, values only: the two never share storage, or revising would shrink theta."""
        self.revision.load_state_dict(self.classifier.state_dict())
        self.t.zero_()

    @torch.no_grad()
    def revise(self, d: float) -> None:
        """theta_rev <- d_t theta_rev + (1 - d_t) theta, equation 7, with d_t = min(1 - 1/(t + 1), d).

        Parameters only: batch norm's statistics are those that theta_rev gathers itself (authors' code).
        """
        rate = 1 - (1 - 1 / (self.t.double() + 1)).clamp(max=d)
        for theta_rev, theta in zip(self.revision.parameters(), self.classifier.parameters(), strict=True):
            theta_rev.lerp_(theta, rate.to(theta_rev.dtype))


def percentile(s: Tensor, p: float) -> Tensor:
    """The value that `s < value` needs to pick what lies below the p-th percentile (p a share in [0, 1]).

    The order statistic just above the linearly interpolated percentile: the same set, and no limit on the size.
    """
    at = math.ceil(p * (s.numel() - 1) - 1e-9)
    return s.flatten().sort().values[at]


def masks(scores: dict[str, Tensor], p: float, scope: str) -> dict[str, Tensor]:
    """Which weights are updated, algorithm 1, lines 11-13: RGP not below the p-th percentile.

    Args:
        scores: RGP of each weight, by tensor.
        scope: `tensor` takes the percentile of each tensor, `global` that of the whole network.

    Returns:
        Booleans of the scores' shapes; False is conserved.
    """
    if scope == "global":
        limit = percentile(torch.cat([s.flatten() for s in scores.values()]), p)
        return {name: s >= limit for name, s in scores.items()}
    return {name: s >= percentile(s, p) for name, s in scores.items()}


def block_of(name: str) -> str:
    """The block that a classifier's parameter belongs to: `stages.block1.0.weight` is in block1."""
    first, second, *_ = name.split(".")
    return second if first == "stages" else first


class Cure(Defense[Revised]):
    """L = L_adv + gamma L_CR, with the gradients of weights of low robust gradient prominence set to 0."""

    paper = "2401.14948"
    starts_from: ClassVar[str | None] = "standard"
    graphs = False

    class Params(InnerAttack):
        """Hyper-parameters of CURE."""

        p: float = hyper(0.3, "paper: table 9, ResNet-18 (30 %); the share of weights conserved", ge=0, lt=1)
        alpha: float = hyper(0.1, "paper: table 9, ResNet-18 on CIFAR", ge=0, le=1)
        gamma: float = hyper(1.0, "paper: table 9, ResNet-18", ge=0)
        beta: float = hyper(
            1.0, "paper: equation 5 (the KL term has no weight); authors' code defaults to 5", ge=0
        )
        score: Literal["equation_6", "code", "code_old", "code_soft", "random"] = hyper(
            "equation_6", "paper: equation 6; the code's are its modes rgp, rgp_old and rgp_soft"
        )
        scope: Literal["tensor", "global"] = hyper("tensor", "paper: algorithm 1 (for each layer)")
        masked: Literal["all", "first_convolutions"] = hyper(
            "all",
            "authors' code: all but the head; its mode rgp_soft masks conv1 of every block, not the stem",
        )
        conservation: Literal["gradient", "strict"] = hyper(
            "gradient", "paper: algorithm 1 and authors' code (momentum and weight decay still act)"
        )
        r: float = hyper(0.2, "paper: table 9", ge=0, le=1)
        d: float = hyper(0.999, "paper: table 9", ge=0, lt=1)
        r_decay: Literal["none", "second_half"] = hyper(
            "none", "authors' code: ema_dynamic is off; the paper's decay (F.1) has no schedule"
        )
        noise: float = hyper(0.001, "authors' code: adversarial_loss.py, normal start around x", ge=0)
        deploys: Literal["theta", "theta_rev"] = hyper("theta", "OpenReview: evaluation uses theta")

    params: Params

    def build(self) -> Revised:
        return Revised(self.classifier())

    def initialize(self, model: Revised, source: nn.Module) -> None:
        model.classifier.load_state_dict(source.state_dict())
        model.copy()

    def deployed(self, model: Revised) -> nn.Module:
        return model.classifier if self.params.deploys == "theta" else model.revision

    def adversary(self, batch: Batch, state: State[Revised]) -> Tensor:
        """x + delta*, equation 4: delta* maximises KL(p(x; theta) || p(x + delta; theta))."""
        theta, x = state.model.classifier, batch.x
        noise = torch.empty_like(x).normal_(generator=state.generator)
        start = (x + (self.params.noise * noise).clamp(-self.eps, self.eps)).clamp(0, 1)
        with evaluating(theta), torch.no_grad():
            log_p = theta(x).log_softmax(1)
        return self.perturb(theta, batch, state, lambda z: kl(log_p, theta(z).log_softmax(1)), start)

    def losses(self, batch: Batch, x_adv: Tensor, model: Revised) -> dict[str, Tensor]:
        """The scalars of section 4, averaged over the batch.

        Returns:
            natural: CE(p(x), y). adversarial: CE(p(x_adv), y), of the code's loss and RGP. kl: KL(p(x) || p(x_adv)).
            consistency: L_CR, equation 8, whose theta_rev side has no gradient; absent where gamma is 0.
        """
        z_n, z_a = model.classifier(batch.x), model.classifier(x_adv)
        log_n, log_a = z_n.log_softmax(1), z_a.log_softmax(1)
        terms = {
            "natural": F.cross_entropy(z_n, batch.y),
            "adversarial": F.cross_entropy(z_a, batch.y),
            "kl": kl(log_n, log_a).mean(),
        }
        if self.params.gamma:
            with torch.no_grad():
                r_n, r_a = (model.revision(z).log_softmax(1) for z in (batch.x, x_adv))
            terms["consistency"] = kl(r_n, log_n).mean() + kl(r_a, log_a).mean()
        return terms

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """L_adv + gamma L_CR: equation 5, or what the released code's mode minimises in its place."""
        c = self.params
        if c.score in ("code", "code_old"):
            robust = terms["adversarial" if c.score == "code" else "kl"]
            loss = c.alpha * terms["natural"] + (1 - c.alpha) * robust
        else:
            loss = terms["natural"] + c.beta * terms["kl"]
        return loss + c.gamma * terms["consistency"] if c.gamma else loss

    def rgp(
        self, terms: dict[str, Tensor], weights: list[Tensor], gradients: list[Tensor], state: State[Revised]
    ):
        """RGP(w) = alpha |dCE(x)/dw| + (1 - alpha) |dCE(x_adv)/dw|, equation 6, for each of `weights`.

        The released modes rgp and rgp_old take |dL/dw| of the whole loss; rgp_soft takes the signed
        alpha dCE(x)/dw + (1 - alpha) dKL/dw. `random` is the control of masks of the same size.
        """
        c = self.params
        if c.score in ("code", "code_old"):
            return [g.abs() for g in gradients]
        if c.score == "random":
            return [torch.empty_like(w).uniform_(generator=state.generator) for w in weights]
        g_n = torch.autograd.grad(terms["natural"], weights, retain_graph=True)
        robust = terms["kl" if c.score == "code_soft" else "adversarial"]
        g_a = torch.autograd.grad(robust, weights, retain_graph=True)
        if c.score == "code_soft":
            return [c.alpha * n + (1 - c.alpha) * a for n, a in zip(g_n, g_a, strict=True)]
        return [c.alpha * n.abs() + (1 - c.alpha) * a.abs() for n, a in zip(g_n, g_a, strict=True)]

    def step(self, batch: Batch, state: State[Revised]) -> dict[str, Tensor]:
        """Algorithm 1, in the order of the released code: the revision follows the update of theta."""
        c, model = self.params, state.model
        x_adv = self.adversary(batch, state)
        terms = self.losses(batch, x_adv, model)
        loss = self.total(terms)
        theta = dict(model.classifier.named_parameters())
        g = torch.autograd.grad(loss, list(theta.values()), retain_graph=True)
        gradients, updated = dict(zip(theta, g, strict=True)), {}
        if c.p:
            names = self.maskable(theta)
            s = self.rgp(terms, [theta[n] for n in names], [gradients[n] for n in names], state)
            updated = masks(dict(zip(names, s, strict=True)), c.p, c.scope)
        self.update(theta, gradients, updated, state)
        self.revise(state)
        logged = {k: v.detach() for k, v in {"loss": loss, **terms}.items()}
        return {**logged, **self.prominence(gradients, updated)}

    def maskable(self, names) -> list[str]:
        """The tensors whose gradients may be masked.

        Raises:
            RedoubtError: `first_convolutions` of a network whose blocks have no tensor named conv1.
        """
        if self.params.masked == "all":
            return [name for name in names if block_of(name) != "head"]
        # The released loop leaves out its network's first tensor, which is the stem's and is called conv1 there.
        found = [name for name in names if "conv1" in name and block_of(name) != "stem"]
        if not found:
            raise RedoubtError(
                "this network has no block with a conv1",
                key="masked", value="first_convolutions", allowed="all",
            )  # fmt: skip
        return found

    def update(
        self, theta: Mapping[str, Tensor], gradients: dict, updated: dict, state: State[Revised]
    ) -> None:
        """One step of the optimizer on the masked gradients; `strict` puts conserved weights back where they were.

        The optimizer's moments of a conserved weight see a gradient of 0 in either case.
        """
        strict = self.params.conservation == "strict"
        before = {name: theta[name].detach().clone() for name in updated} if strict else {}
        for name, w in theta.items():
            w.grad = gradients[name] * updated[name] if name in updated else gradients[name].clone()
        state.optimizers["model"].step()
        state.optimizers["model"].zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, kept in before.items():
                theta[name].copy_(torch.where(updated[name], theta[name], kept))

    def revise(self, state: State[Revised]) -> None:
        """s ~ U(0, 1); equation 7 where s < r. The draw is torch's default generator's, not the attack's."""
        model, r = state.model, self.params.r
        if self.params.r_decay == "second_half":
            r *= min(1.0, 2 * (1 - state.epoch / state.epochs))
        model.t += 1
        if torch.rand(()).item() < r:
            model.revise(self.params.d)

    def prominence(self, gradients: dict[str, Tensor], updated: dict[str, Tensor]) -> dict[str, Tensor]:
        """Figure 6: by block, the mean magnitude of the loss's gradient before masking and the share updated."""
        rows: dict[str, Tensor] = {}
        for block in dict.fromkeys(map(block_of, gradients)):
            inside = [name for name in gradients if block_of(name) == block]
            rows[f"gradient_{block}"] = torch.cat([gradients[n].flatten() for n in inside]).abs().mean()
            chosen = [updated[n].flatten() for n in inside if n in updated]
            if chosen:
                rows[f"updated_{block}"] = torch.cat(chosen).float().mean()
        return rows


class CureEff(Cure):
    """CURE_Eff, appendix B: natural training, then CURE, in one training."""

    starts_from = None

    class Params(Cure.Params):
        """Hyper-parameters of CURE_Eff."""

        switch: float = hyper(
            0.4, "authors' code: train_warmup.py (epoch 80 of 200), a share of the epochs", ge=0, le=1
        )

    params: Params

    def step(self, batch: Batch, state: State[Revised]) -> dict[str, Tensor]:
        if state.epoch >= self.params.switch * state.epochs:
            return super().step(batch, state)
        loss = F.cross_entropy(state.model.classifier(batch.x), batch.y)
        state.optimizers["model"].zero_grad(set_to_none=True)
        loss.backward()
        state.optimizers["model"].step()
        # theta_rev follows until the switch, so that it starts from the last natural weights even after a kill.
        state.model.copy()
        return {"loss": loss.detach()}
