"""A purifier before a frozen classifier, trained to restore images: what AToP (arXiv 2401.16352) starts from.

`redoubt train digits/purifier/main`. Only g (and a discriminator) is trained, on L_org, without any attack; f is taken
from the run named by `starts_from`. The same budget spent here is the control of AToP's fine-tuning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt import models
from redoubt.attacks.core.bpda import with_backward
from redoubt.attacks.core.engine import frozen
from redoubt.defenses.base import Batch, Defense, State, View
from redoubt.defenses.parameters.purifier import PipelineParams, PurifierParams
from redoubt.models.base import Classifier
from redoubt.models.patch_discriminator import both_scores, patch_discriminator
from redoubt.models.purified import Purification, Purified
from redoubt.models.random_transforms import RandomTransform
from redoubt.models.spectral import discriminator_hinge, generator_hinge

if TYPE_CHECKING:
    from redoubt.models.inpainter import Inpainter
    from redoubt.models.mae import MaskedAutoencoder

S = TypeVar("S", bound=nn.Module)


def deployed(params: PipelineParams) -> RandomTransform:
    """t that an attacker faces."""
    p = params
    kind = p.transform if p.deployed_transform == "as_trained" else p.deployed_transform
    return RandomTransform(kind, p.missing, p.noise, p.parts, p.deployed_masks)


def trained(params: PurifierParams) -> RandomTransform:
    """t of the training."""
    p = params
    return RandomTransform(p.transform, p.missing, p.noise, p.parts, p.masks)


class Guarded(nn.Module):
    """A classifier f behind a purifier g, one of which is trained; and g's discriminator.

    The other one has no gradients and stays in eval mode, so that no step changes a bit of it.
    """

    def __init__(
        self,
        classifier: Classifier,
        purifier: nn.Module,
        critic: nn.Module | None = None,
        trained: Literal["classifier", "purifier"] = "purifier",
    ):
        super().__init__()
        self.classifier, self.purifier, self.critic = classifier, purifier, critic
        self.fixed = "purifier" if trained == "classifier" else "classifier"
        getattr(self, self.fixed).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Guarded:
        super().train(mode)
        getattr(self, self.fixed).eval()
        return self


def take(model: Guarded, source: nn.Module, classifier: bool = True) -> None:
    """Copies what a run deploys: a classifier alone, or a purifier with the classifier behind it."""
    if isinstance(source, Purified):
        model.purifier.load_state_dict(source.purification.purifier.state_dict())
        source = source.classifier
    if classifier:
        model.classifier.load_state_dict(source.state_dict())


class BehindPurifier(Defense[Guarded]):
    """A defense that deploys f(g(t(x))), and how it is attacked."""

    paper = "2401.16352"
    Params = PipelineParams
    params: PipelineParams
    random = True

    def purifier(self) -> Inpainter | MaskedAutoencoder:
        """A fresh g."""
        p = self.params
        made = models.purifier(p.purifier, channels=self.in_channels, image_size=self.image_size, size=p.size)
        return cast("Inpainter | MaskedAutoencoder", made)

    def deployed(self, model: Guarded) -> Purified:
        return self.behind(model, deployed(self.params))

    def behind(self, model: Guarded, transform: RandomTransform) -> Purified:
        """f(g(t(x))) with the model's f and g, whose modes stay as they are."""
        return _in_mode_of(model, Purified(self.stage(model, transform), model.classifier))

    def stage(self, model: Guarded, transform: RandomTransform) -> Purification:
        """g(t(x)) as it is deployed."""
        return Purification(model.purifier, transform, rescaled=self.params.deployed_range == "rescaled")

    def adaptive(self, model: Guarded) -> dict[str, View]:
        """The deployed system; and attackers who know less of it or borrow gradients, to be compared with it."""
        system, t = self.deployed(model), deployed(self.params)
        f, stage = system.classifier, system.purification
        clear = self.stage(model, replace(t, kind="none"))
        borrowed = {
            "bpda_identity": (nn.Identity(), "the identity's gradient in place of the purification's"),
            "bpda_untransformed": (clear, "the purifier's gradient at the image itself, without a transform"),
        }
        chains = {
            name: View(_in_mode_of(model, nn.Sequential(with_backward(stage, backward), f)), why, t.random)
            for name, (backward, why) in borrowed.items()
        }
        still = self.behind(model, t.fixed())
        return {
            "deployed": View(
                system, "the full gradient through transform, purifier and classifier", t.random
            ),
            "oblivious": View(f, "the classifier alone, by an attacker who does not know of the purifier"),
            **chains,
            "fixed_draw": View(still, "one draw for all: the gradient without the randomness"),
        }


def _in_mode_of(model: nn.Module, system: S) -> S:
    """Gives the mode of `model` to what `system` has beside the parts of `model`, which keep theirs."""
    own = set(model.modules())
    for m in system.modules():
        if m not in own:
            m.training = model.training
    return system


class Purifier(BehindPurifier):
    """min over g of L_org = reconstruction + GAN term: E[D(x)] - E[D(g(t(x)))] + E|x - g(t(x))|, by hinge losses."""

    Params = PurifierParams
    params: PurifierParams

    def build(self) -> Guarded:
        critic = None
        if self.params.gan != "none":
            critic = patch_discriminator(channels=self.in_channels, image_size=self.image_size)
        return Guarded(self.classifier(), self.purifier(), critic)

    def initialize(self, model: Guarded, source: nn.Module) -> None:
        take(model, source)

    def optimizers(self, model: Guarded, make) -> dict[str, torch.optim.Optimizer]:
        made = {"purifier": make(list(model.purifier.parameters()))}
        if model.critic is not None:
            made["critic"] = make(list(model.critic.parameters()))
        for optimizer in made.values():
            for group in optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = self.params.betas
        return made

    def training_stage(self, model: Guarded) -> Purification:
        """g(t(x)) with the training's masks."""
        return Purification(model.purifier, trained(self.params))

    def step(self, batch: Batch, state: State[Guarded]) -> dict[str, Tensor]:
        draw = trained(self.params).draw(batch.x, state.generator)
        images, hole = self.training_stage(state.model).restore(batch.x, draw)
        return self.update(2 * batch.x - 1, images, hole, {}, state)

    def update(
        self, real: Tensor, images: list[Tensor], hole: Tensor, more: dict[str, Tensor], state: State[Guarded]
    ) -> dict[str, Tensor]:
        """One step of the discriminator, then one of g, which faces the new discriminator.

        Args:
            real: (N, C, H, W) in [-1, 1], what g should have given.
            images: what it gave, in [-1, 1], the last one final; the graph of g is behind them.
            hole: (N or 1, 1, H, W), what was missing.
            more: further terms of g's loss, weighted, by the name that they are logged under.

        Returns:
            The loss of g and its terms.
        """
        p, model = self.params, state.model
        distance = F.l1_loss if p.reconstruction == "l1" else F.mse_loss
        apart = cast(Tensor, sum(distance(image, real) for image in images))
        terms = {"reconstruction": p.weight * apart, **more}
        logged = {}
        if model.critic is not None:
            fake = images[-1]
            logged["critic"] = discriminator_hinge(*both_scores(model.critic, real, fake.detach(), hole))
            _descend(logged["critic"], state.optimizers["critic"])
            with frozen(model.critic):
                seen = fake if p.gan == "both" else fake.detach()
                terms["generator"] = p.gan_weight * generator_hinge(model.critic(seen, hole))
        loss = cast(Tensor, sum(terms.values()))
        _descend(loss, state.optimizers["purifier"])
        return {k: v.detach() for k, v in {"loss": loss, **terms, **logged}.items()}


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
