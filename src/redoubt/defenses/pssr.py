"""PSSR, "remove then restore": Fu, Zhou, Ma, Zhang 2024 (arXiv 2402.00304), a re-design under stated constraints.

No code was published and the paper's body was not at hand. Known: pixels whose saliency reaches the mean are removed,
a conditional alignment extrapolator restores the image under three conditions (no residual attack, paired with the
original, consistent semantics), and adversarial R-Drop regularizes. Networks, loss forms, weights and the training
attack are ours or taken from the method's neighbors ARN and CAFD ("proxy" in the sources): nothing here replicates
the authors' settings, and no number can be held against theirs.

Training has two stages: the classifier f, naturally, in the run of `starts_from`, which is frozen from then on
(unless `classifier_lr` lets it learn with G); then G against adversarial examples of f, which are made on the fly.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt import models
from redoubt.attacks.core import losses
from redoubt.attacks.core.engine import evaluating, frozen
from redoubt.attacks.core.pgd_step import ascend
from redoubt.defenses.base import Batch, Defense, State, View
from redoubt.defenses.parameters.pssr import PssrParams
from redoubt.defenses.pixel_surgery import Surgery, rule_of
from redoubt.defenses.purifier import Guarded
from redoubt.defenses.regenerated import Borrowed, Regenerated, Softened
from redoubt.defenses.restoration import (
    adversarial_r_drop,
    critic,
    critic_loss,
    generator_loss,
    semantic,
)
from redoubt.models.extrapolator import Extrapolator


class Pssr(Defense[Guarded]):
    """min over G of c1 GAN + c2 |x^ - x| + c3 semantics + ARD, with x^ = G(PS(x)) and G(PS(x_adv)).

    The best epoch is chosen by natural accuracy: under the full gradient the accuracy of such a defense may be
    nothing in every epoch, and the choice would be arbitrary.
    """

    paper = "2402.00304"
    Params = PssrParams
    params: PssrParams
    selects_on = "clean"

    def extrapolator(self) -> Extrapolator:
        """A fresh G."""
        p = self.params
        made = models.purifier(
            "extrapolator", channels=self.in_channels, image_size=self.image_size,
            size=p.size, dropout=p.dropout, mask_channel=p.mask_channel,
        )  # fmt: skip
        return cast(Extrapolator, made)

    def build(self) -> Guarded:
        found = None
        if self.params.c1:
            identities = 2 if self.params.also_seen is None else 3
            shape = {"channels": self.in_channels, "image_size": self.image_size}
            found = critic(self.params.residual, identities=identities, **shape)
        return Guarded(self.classifier(), self.extrapolator(), found)

    def initialize(self, model: Guarded, source: torch.nn.Module) -> None:
        model.classifier.load_state_dict(source.state_dict())

    def optimizers(self, model: Guarded, make) -> dict[str, torch.optim.Optimizer]:
        made = {"extrapolator": make(list(model.purifier.parameters()))}
        slower = {}
        if model.critic is not None:
            slower["critic"] = model.critic, self.params.critic_lr
        if self.params.classifier_lr:
            slower["classifier"] = model.classifier, self.params.classifier_lr
        for name, (network, share) in slower.items():
            made[name] = make(list(network.parameters()))
            for group in made[name].param_groups:
                group["lr"] *= share
        for optimizer in made.values():
            for group in optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = self.params.betas
        return made

    def surgery(self, model: Guarded) -> Surgery:
        """PS by the model's own classifier."""
        return Surgery(model.classifier, rule_of(self.params))

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

    def adversary(self, batch: Batch, state: State[Guarded], known: str) -> Tensor:
        """x_adv (N, C, H, W), detached: a known attack (a value of `seen` or `also_seen`), on f alone."""
        f = state.model.classifier
        ascended = losses.UNTARGETED["ce" if known == "fgsm" else known]
        objective = lambda z: ascended(f(z), batch.y)
        if known == "fgsm":
            eps = self.eps * state.warmup
            with evaluating(state.model):
                return ascend(objective, batch.x, eps=eps, step_size=eps, steps=1, norm=self.norm)
        start = None if self.params.random_start else batch.x
        return self.perturb(state.model, batch, state, objective, start)

    def step(self, batch: Batch, state: State[Guarded]) -> dict[str, Tensor]:
        """One update of the critic, then one of G, which faces the new critic. Natural images are fed as well."""
        p, model, system = self.params, state.model, self.deployed(state.model)
        learns = p.classifier_lr > 0 and state.epoch >= p.classifier_from * state.epochs
        known = [p.seen] if p.also_seen is None else [p.seen, p.also_seen]
        given = torch.cat([batch.x, *(self.adversary(batch, state, k) for k in known)])
        real, y = batch.x.repeat(1 + len(known), 1, 1, 1), batch.y.repeat(1 + len(known))
        image, kept = system.cut(given, state.generator)
        restored = model.purifier(image, kept)
        logged = {"removed": 1 - kept.mean()}
        if model.critic is not None:
            logged["critic"] = self.criticize(real, restored, kept, state)
        model.classifier.requires_grad_(learns)
        features = model.classifier.features(restored)
        logits = model.classifier.head(features)
        terms = self.conditions(real, restored, kept, logits, features, model)
        if p.c1_ce:
            terms["c1_ce"] = p.c1_ce * F.cross_entropy(logits, y)
        if p.ard != "off" and p.ard_weight:
            first, second = self.views(batch, state, system, image, kept, logits)
            terms["ard"] = p.ard_weight * adversarial_r_drop(first, second, y[: len(first)], p.alpha)
        loss = sum(terms.values(), restored.sum() * 0)
        learning = ["extrapolator", "classifier"] if learns else ["extrapolator"]
        _descend(loss, *(state.optimizers[name] for name in learning))
        return {k: v.detach() for k, v in {"loss": loss, **terms, **logged}.items()}

    def criticize(self, real: Tensor, restored: Tensor, kept: Tensor, state: State[Guarded]) -> Tensor:
        """One step of the critic on natural images and detached restored ones, under the same masks."""
        removed = 1 - kept.mean(1, keepdim=True)
        d = cast(torch.nn.Module, state.model.critic)
        loss = critic_loss(self.params.residual, d, real, restored.detach(), removed)
        _descend(loss, state.optimizers["critic"])
        return loss.detach()

    def conditions(
        self, real: Tensor, restored: Tensor, kept: Tensor, logits: Tensor, features: Tensor, model: Guarded
    ) -> dict[str, Tensor]:
        """The weighted c1, c2 and c3; one of weight 0 is absent.

        Args:
            real, restored: (M, C, H, W) in [0, 1], natural images and G's answers: to natural images, then to those
                of each known attack.
            kept: (M, 1 or C, H, W).
            logits, features: of f at the restored images.
        """
        p, terms = self.params, {}
        if p.c1 and model.critic is not None:
            removed = 1 - kept.mean(1, keepdim=True)
            with frozen(model.critic):
                terms["c1"] = p.c1 * generator_loss(p.residual, model.critic, real, restored, removed)
        if p.c2:
            terms["c2"] = p.c2 * (F.l1_loss if p.distance == "l1" else F.mse_loss)(restored, real)
        if p.c3:
            with torch.no_grad():
                h_x = model.classifier.features(real)
                z_x = model.classifier.head(h_x)
            terms["c3"] = p.c3 * semantic(z_x, h_x, logits, features)
        return terms

    def views(
        self,
        batch: Batch,
        state: State[Guarded],
        system: Regenerated,
        image: Tensor,
        kept: Tensor,
        logits: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The logits (N, K) of the two views that ARD compares; (2 N, K) for A and B with two known attacks.

        C pairs the two known attacks; with one alone, two random starts of it.
        """
        n = len(batch.x)
        natural, adversarial = logits[:n], logits[n:]
        if self.params.ard == "A":
            return natural.repeat(len(adversarial) // n, 1), adversarial
        if self.params.ard == "B":
            again, mask = image[n:], kept[n:]
        elif self.params.also_seen is not None:
            first, second = adversarial.chunk(2)
            return first, second
        else:
            again, mask = system.cut(self.adversary(batch, state, self.params.seen), state.generator)
        return adversarial, state.model.classifier(state.model.purifier(again, mask))


def _descend(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
