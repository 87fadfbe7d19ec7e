"""CURE, conserve - update - revise: Gowda, Zonooz, Arani, ICLR 2024 (arXiv 2401.14948).

Symbols as in the paper's section 4: theta is the trained network, theta_rev the revision network, both start from
a network trained on natural images (ST).
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.engine import evaluating
from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.conservation import block_of, masks
from redoubt.defenses.parameters.cure import CureParams
from redoubt.defenses.revision import Revised, consistency, seen
from redoubt.defenses.trades import kl
from redoubt.errors import RedoubtError

CONSISTENCY = {
    "kl": "consistency", "l2": "consistency_l2", "at": "consistency_at", "fitnet": "consistency_fitnet",
}  # fmt: skip


class Cure(Defense[Revised]):
    """L = L_adv + gamma L_CR, with the gradients of weights of low robust gradient prominence set to 0."""

    paper = "2401.14948"
    graphs = False

    Params = CureParams
    params: CureParams

    def build(self) -> Revised:
        return Revised(self.classifier())

    def initialize(self, model: Revised, source: nn.Module) -> None:
        model.classifier.load_state_dict(source.state_dict())
        model.copy()

    def deployed(self, model: Revised) -> nn.Module:
        return model.classifier if self.params.deploys == "theta" else model.revision

    def adversary(self, batch: Batch, state: State[Revised]) -> Tensor:
        """x + delta*, equation 4: delta* maximises KL(p(x; theta) || p(x + delta; theta)).

        `algorithm_1` maximises CE(p(x + delta), y) + alpha KL, as that algorithm's line 4 has it.
        """
        theta, x, c = state.model.classifier, batch.x, self.params
        start = normal_start(x, c.noise, state.generator)
        with evaluating(theta), torch.no_grad():
            log_p = theta(x).log_softmax(1)

        def objective(z: Tensor) -> Tensor:
            log_q = theta(z).log_softmax(1)
            divergence = kl(log_p, log_q)
            if c.attacked == "kl":
                return divergence
            return F.nll_loss(log_q, batch.y, reduction="none") + c.alpha * divergence

        return self.perturb(theta, batch, state, objective, start)

    def losses(self, batch: Batch, x_adv: Tensor, model: Revised) -> dict[str, Tensor]:
        """The scalars of section 4, averaged over the batch.

        Returns:
            natural: CE(p(x), y). adversarial: CE(p(x_adv), y), of the code's loss and RGP. kl: KL(p(x) || p(x_adv)).
            consistency: L_CR, equation 8, whose theta_rev side has no gradient. consistency_l2 and so on: the other
            kinds of `Params.consistency`. Those of weight 0 are absent.
        """
        kinds = self.weights()
        maps = not kinds.keys().isdisjoint(("at", "fitnet"))
        natural, adversarial = (seen(model.classifier, z, maps) for z in (batch.x, x_adv))
        z_n, z_a = natural[0], adversarial[0]
        terms = {
            "natural": F.cross_entropy(z_n, batch.y),
            "adversarial": F.cross_entropy(z_a, batch.y),
            "kl": kl(z_n.log_softmax(1), z_a.log_softmax(1)).mean(),
        }
        if kinds:
            with torch.no_grad():
                held = [seen(model.revision, z, maps) for z in (batch.x, x_adv)]
            pairs = ((natural, held[0]), (adversarial, held[1]))
            parts = [{kind: consistency(kind, *pair) for kind in kinds} for pair in pairs]
            terms |= {CONSISTENCY[kind]: parts[0][kind] + parts[1][kind] for kind in kinds}
        return terms

    def weights(self) -> dict[str, float]:
        """The kinds of consistency whose weight is not 0, with it."""
        c = self.params
        of = {"kl": c.gamma, "l2": c.gamma_l2, "at": c.gamma_at, "fitnet": c.gamma_at}
        return {kind: of[kind] for kind in c.consistency if of[kind]}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """L_adv + gamma L_CR: equation 5, or what the released code's mode minimises in its place."""
        c = self.params
        if c.score in ("code", "code_old", "code_soft_all"):
            robust = terms["adversarial" if c.score == "code" else "kl"]
            loss = c.alpha * terms["natural"] + (1 - c.alpha) * robust
        else:
            loss = terms["natural"] + c.beta * terms["kl"]
        for kind, weight in self.weights().items():
            loss = loss + weight * terms[CONSISTENCY[kind]]
        return loss

    def rgp(
        self, terms: dict[str, Tensor], weights: list[Tensor], gradients: list[Tensor], state: State[Revised]
    ):
        """RGP(w) = alpha |dCE(x)/dw| + (1 - alpha) |dCE(x_adv)/dw|, equation 6, for each of `weights`.

        The released modes rgp and rgp_old take |dL/dw| of the whole loss; rgp_soft takes the signed
        alpha dCE(x)/dw + (1 - alpha) dKL/dw, and with grad_mode all (reinit_util.py 326) adds the consistency's
        gradient and steps by this sum, which is the signed gradient of rgp_old's loss. `random` is the control of
        masks of the same size.
        """
        c = self.params
        if c.score in ("code", "code_old"):
            return [g.abs() for g in gradients]
        if c.score == "code_soft_all":
            return gradients
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
        state.model.t += 1
        if torch.rand(()).item() < self.revision_rate(state):
            state.model.revise(self.params.d)

    def revision_rate(self, state: State) -> float:
        """r at this step; `halved` halves it at every step from half of the epochs on (there 100 of 200)."""
        c = self.params
        if c.r_decay == "second_half":
            return c.r * min(1.0, 2 * (1 - state.epoch / state.epochs))
        half = math.ceil(state.epochs / 2)
        if c.r_decay == "halved" and state.epoch >= half:
            return c.r * 0.5 ** (state.step - half * state.steps_per_epoch + 1)
        return c.r

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
