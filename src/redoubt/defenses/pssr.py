"""PSSR, "remove then restore": Fu, Zhou, Ma, Zhang 2024 (arXiv 2402.00304), a re-design under stated constraints.

No code was published and the paper's body was not at hand. Known: pixels whose saliency reaches the mean are removed,
a conditional alignment extrapolator restores the image under three conditions (no residual attack, paired with the
original, consistent semantics), and adversarial R-Drop regularizes. Networks, loss forms, weights and the training
attack are ours or taken from the method's neighbors ARN and CAFD ("proxy" in the sources): nothing here replicates
the authors' settings, and no number can be held against theirs.

Training has two stages: the classifier f, naturally, in the run of `starts_from`, which is frozen from then on;
then G against adversarial examples of f, which are made on the fly.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt import models
from redoubt.attacks import losses
from redoubt.attacks.engine import frozen
from redoubt.config.schema import Strict
from redoubt.defenses.base import Batch, Defense, InnerAttack, State, View, hyper
from redoubt.defenses.pixel_surgery import Rule, Surgery
from redoubt.defenses.purifier import Guarded
from redoubt.defenses.regenerated import Borrowed, Regenerated, Softened
from redoubt.defenses.trades import kl
from redoubt.models.extrapolator import Extrapolator
from redoubt.models.patch_discriminator import patch_discriminator
from redoubt.models.spectral import discriminator_hinge, generator_hinge

DESIGN = "ours: re-design, not stated in what is public of the paper"
PROXY = "proxy: CAFD's and ARN's training (neighbors of the method)"


class SurgeryParams(Strict):
    """What is removed; the fields of `Rule`."""

    kept: Literal["trivial", "salient", "random", "all"] = hyper(
        "trivial", "paper: section 3.1 (salient pixels are removed)"
    )
    score: Literal["probability", "logit"] = hyper("probability", "paper: section 3.1 (dP/dx)")
    sign: Literal["absolute", "signed"] = hyper(
        "absolute", "ours: the mean of signed gradients is near 0, half of all pixels would go"
    )
    channels: Literal["largest", "each"] = hyper("largest", "ours: the paper's mask has indices (i, j)")
    threshold: Literal["mean", "top"] = hyper("mean", "paper: section 3.1 (mean of the saliency map)")
    share: float = hyper(0.3, "ours: for the threshold `top` alone", gt=0, le=1)
    fill: Literal["zero", "mean", "blur"] = hyper("zero", f"{DESIGN}; M * x leaves 0")

    def rule(self) -> Rule:
        """These values as the surgery takes them."""
        return Rule(**{name: getattr(self, name) for name in SurgeryParams.model_fields})


class PssrParams(SurgeryParams, InnerAttack):
    """Hyper-parameters of surgery, extrapolator, its three conditions and adversarial R-Drop."""

    steps: int = hyper(10, "ours: a quarter of the proxies' 40 steps", ge=1)
    step_size: float = hyper(0.25, "ours: 2/255 at 8/255, as a share of the radius", gt=0)
    seen: Literal["ce", "margin"] = hyper("ce", f"{DESIGN}; PGD as the known attack, proxies ARN and CAFD")
    random_start: bool = hyper(True, "proxy: ARN and CAFD (PGD with a random start)")
    size: Literal["auto", "full", "half", "small"] = hyper("auto", "proxy: CAFD (HGD's denoiser)")
    dropout: float = hyper(0.1, DESIGN, ge=0, lt=1)
    mask_channel: bool = hyper(False, DESIGN)
    c1: float = hyper(5e-3, "proxy: CAFD (weight of the relativistic GAN term)", ge=0)
    c2: float = hyper(1.0, f"{DESIGN}; mean over pixels", ge=0)
    distance: Literal["l1", "l2"] = hyper("l1", DESIGN)
    c3: float = hyper(0.1, f"{DESIGN}; features by their mean square", ge=0)
    ard: Literal["A", "B", "C", "off"] = hyper(
        "A", f"{DESIGN}; A pairs natural and adversarial, B two dropout passes, C two adversarial versions"
    )
    ard_weight: float = hyper(1.0, DESIGN, ge=0)
    alpha: float = hyper(0.3, "authors' code: R-Drop, ViT example", ge=0)
    critic_lr: float = hyper(0.1, f"{PROXY}: 1e-4 beside 1e-3, as a share of the learning rate", gt=0)
    betas: tuple[float, float] = hyper((0.5, 0.999), PROXY)


def semantic(z_x: Tensor, h_x: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """c3: KL(softmax f(x) || softmax f(x^)) + mean (h(x) - h(x^))^2, a scalar averaged over the batch.

    Args:
        z_x, z: (N, K) logits of natural and restored images.
        h_x, h: (N, D) penultimate features.
    """
    return kl(z_x.log_softmax(1), z.log_softmax(1)).mean() + F.mse_loss(h, h_x)


def adversarial_r_drop(z1: Tensor, z2: Tensor, y: Tensor, alpha: float) -> Tensor:
    """(CE(p1) + CE(p2)) / 2 + alpha (KL(p1 || p2) + KL(p2 || p1)) / 2 (R-Drop, Wu et al. 2021), a scalar.

    Args:
        z1, z2: (N, K) logits of two views of the same images.
        y: (N,) labels.
    """
    a, b = z1.log_softmax(1), z2.log_softmax(1)
    apart = kl(a, b).mean() + kl(b, a).mean()
    return 0.5 * (F.nll_loss(a, y) + F.nll_loss(b, y)) + alpha * 0.5 * apart


class Pssr(Defense):
    """min over G of c1 GAN + c2 |x^ - x| + c3 semantics + ARD, with x^ = G(PS(x)) and G(PS(x_adv)).

    The best epoch is chosen by natural accuracy: under the full gradient the accuracy of such a defense may be
    nothing in every epoch, and the choice would be arbitrary.
    """

    paper = "2402.00304"
    Params = PssrParams
    starts_from = "standard"
    selects_on = "clean"

    def extrapolator(self) -> Extrapolator:
        """A fresh G."""
        p = self.params
        shape = {"channels": self.in_channels, "image_size": self.image_size}
        given = {"size": p.size, "dropout": p.dropout, "mask_channel": p.mask_channel}
        return models.purifier("extrapolator", **shape, **given)

    def build(self) -> Guarded:
        critic = None
        if self.params.c1:
            critic = patch_discriminator(channels=self.in_channels, image_size=self.image_size)
        return Guarded(self.classifier(), self.extrapolator(), critic)

    def initialize(self, model: Guarded, source: torch.nn.Module) -> None:
        model.classifier.load_state_dict(source.state_dict())

    def optimizers(self, model: Guarded, make) -> dict[str, torch.optim.Optimizer]:
        made = {"extrapolator": make(list(model.purifier.parameters()))}
        if model.critic is not None:
            made["critic"] = make(list(model.critic.parameters()))
            for group in made["critic"].param_groups:
                group["lr"] *= self.params.critic_lr
        for optimizer in made.values():
            for group in optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = self.params.betas
        return made

    def surgery(self, model: Guarded) -> Surgery:
        """PS by the model's own classifier."""
        return Surgery(model.classifier, self.params.rule())

    def deployed(self, model: Guarded) -> Regenerated:
        return Regenerated(self.surgery(model), model.purifier)

    def adaptive(self, model: Guarded) -> dict[str, View]:
        """Attack surfaces, weakest first; the deployed system's gradient is the full one almost everywhere."""
        parts = self.surgery(model), model.purifier
        return {
            "oblivious": View(
                model.classifier, "the classifier alone, by an attacker who does not know of surgery and G"
            ),
            "bpda_identity": View(Borrowed(*parts, "identity"), "surgery differentiated as the identity"),
            "bpda_mask": View(
                Borrowed(*parts, "mask"),
                "surgery differentiated as the product with the frozen mask; with the fill zero this is the "
                "deployed system's own gradient",
            ),
            "deployed": View(Regenerated(*parts), "the full gradient, the mask made anew at every step"),
            "relaxed": View(
                Softened(*parts), "a sigmoid mask, differentiated through the saliency (double backward)"
            ),
        }

    def adversary(self, batch: Batch, state: State) -> Tensor:
        """x_adv (N, C, H, W), detached: the known attack, on f alone."""
        f, ascended = state.model.classifier, losses.UNTARGETED[self.params.seen]
        start = None if self.params.random_start else batch.x
        return self.perturb(state.model, batch, state, lambda z: ascended(f(z), batch.y), start)

    def step(self, batch: Batch, state: State) -> dict[str, Tensor]:
        """One update of the critic, then one of G, which faces the new critic. Natural images are fed as well."""
        model, system = state.model, self.deployed(state.model)
        x_adv = self.adversary(batch, state)
        given, real = torch.cat([batch.x, x_adv]), torch.cat([batch.x, batch.x])
        image, kept = system.cut(given, state.generator)
        restored = model.purifier(image, kept)
        logged = {"removed": 1 - kept.mean()}
        if model.critic is not None:
            logged["critic"] = self.criticize(real, restored, kept, state)
        features = model.classifier.features(restored)
        logits = model.classifier.head(features)
        terms = self.conditions(real, restored, kept, logits, features, model)
        if self.params.ard != "off" and self.params.ard_weight:
            pair = self.views(batch, state, system, image, kept, logits)
            terms["ard"] = self.params.ard_weight * adversarial_r_drop(*pair, batch.y, self.params.alpha)
        loss = sum(terms.values(), restored.sum() * 0)
        _descend(loss, state.optimizers["extrapolator"])
        return {k: v.detach() for k, v in {"loss": loss, **terms, **logged}.items()}

    def criticize(self, real: Tensor, restored: Tensor, kept: Tensor, state: State) -> Tensor:
        """One step of the critic on natural images and detached restored ones, under the same masks."""
        critic, removed = state.model.critic, 1 - kept.mean(1, keepdim=True)
        loss = discriminator_hinge(critic(2 * real - 1, removed), critic(2 * restored.detach() - 1, removed))
        _descend(loss, state.optimizers["critic"])
        return loss.detach()

    def conditions(
        self, real: Tensor, restored: Tensor, kept: Tensor, logits: Tensor, features: Tensor, model: Guarded
    ) -> dict[str, Tensor]:
        """The weighted c1, c2 and c3; one of weight 0 is absent.

        Args:
            real, restored: (2N, C, H, W) in [0, 1], natural images and G's answers.
            kept: (2N, 1 or C, H, W).
            logits, features: of f at the restored images.
        """
        p, terms = self.params, {}
        if p.c1:
            with frozen(model.critic):
                scores = model.critic(2 * restored - 1, 1 - kept.mean(1, keepdim=True))
                terms["c1"] = p.c1 * generator_hinge(scores)
        if p.c2:
            terms["c2"] = p.c2 * (F.l1_loss if p.distance == "l1" else F.mse_loss)(restored, real)
        if p.c3:
            with torch.no_grad():
                h_x = model.classifier.features(real)
                z_x = model.classifier.head(h_x)
            terms["c3"] = p.c3 * semantic(z_x, h_x, logits, features)
        return terms

    def views(
        self, batch: Batch, state: State, system: Regenerated, image: Tensor, kept: Tensor, logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The logits (N, K) of the two views that ARD compares."""
        natural, adversarial = logits.chunk(2)
        if self.params.ard == "A":
            return natural, adversarial
        if self.params.ard == "B":
            again, mask = image.chunk(2)[1], kept.chunk(2)[1]
        else:
            again, mask = system.cut(self.adversary(batch, state), state.generator)
        return adversarial, state.model.classifier(state.model.purifier(again, mask))


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
