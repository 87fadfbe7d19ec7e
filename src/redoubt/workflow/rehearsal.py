"""What would fail after a training, tried before it: a model that cannot be built, a view that it does not have."""

from pathlib import Path

import torch

from redoubt import data
from redoubt.config import Study, Variant, attacks_of
from redoubt.errors import RedoubtError, nearest
from redoubt.training.checkpoints import defense_of


def rehearse(root: Path, study: Study, variant: Variant) -> None:
    """Builds an untrained model of a variant, asks it for two gray images, and looks for every view that is attacked.

    Raises:
        RedoubtError: names the study's file and the key.
    """
    file = root / "studies" / f"{study.name}.yaml"
    info = data.describe(study.data.name)
    size = study.data.image_size or info.image_size
    with torch.random.fork_rng(devices=[]):
        try:
            defense = defense_of(variant)
            model = defense.build().eval()
            with torch.no_grad():
                defense.deployed(model).eval()(torch.full((2, info.in_channels, size, size), 0.5))
            views = defense.adaptive(model)
        except RedoubtError as error:
            raise RedoubtError(
                f"{variant.path} cannot be built: {error.what}", file=file, key=error.key, value=error.value,
                allowed=error.allowed, nearest=error.nearest, hint=error.hint,
            ) from None  # fmt: skip
        except (RuntimeError, ValueError, TypeError, IndexError, MemoryError) as error:
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise RedoubtError(
                f"{variant.path} cannot be built: {text}",
                file=file,
                key="architecture",
                value=variant.architecture,
            ) from None
    for seed in variant.seeds:
        for name, spec in attacks_of(study, variant, seed).items():
            if spec.view not in views:
                raise RedoubtError(
                    f"{variant.defense} has no such view", file=file, key=f"evaluation.attacks.{name}.view",
                    value=spec.view, allowed=list(views), nearest=nearest(spec.view, views),
                )  # fmt: skip
