"""Training steps of our defenses on the inputs of a golden file: same images, weights and draws, in float64."""

import torch
from torch import nn

from redoubt.defenses.base import Batch, Defense, State
from redoubt.models.small_cnn import small_cnn

NEAR = {"rtol": 1e-9, "atol": 1e-9}


def network(arrays: dict[str, torch.Tensor], part: str = "start") -> nn.Module:
    """The golden files' network with the weights `part.*`, in float64 and train mode."""
    f = small_cnn(num_classes=3, in_channels=1, image_size=6, width=2, normalize=None).double()
    f.load_state_dict(weights(arrays, part))
    return f.train()


def weights(arrays: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """What the file holds as `part.NAME`, by name."""
    return {k.removeprefix(f"{part}."): v for k, v in arrays.items() if k.startswith(f"{part}.")}


def defense_of(kind: type[Defense], f: nn.Module, eps: float, **params) -> tuple[Defense, nn.Module]:
    """The defense and the model that it trains, around the classifier f."""
    defense = kind(
        shape=(3, 1, 6), architecture={}, threat={"norm": "linf", "eps": eps}, params=kind.Params(**params)
    )
    defense.classifier = lambda: f
    return defense, defense.build().double().train()


def give(monkeypatch, *draws: torch.Tensor) -> list[torch.Tensor]:
    """Random numbers are these from here on, in order: shares of the range for uniform_, or standard normal ones."""
    left = list(draws)

    def uniform_(t, a=0.0, b=1.0, *, generator=None):
        return t.copy_(a + (b - a) * left.pop(0))

    def normal_(t, mean=0.0, std=1.0, *, generator=None):
        return t.copy_(mean + std * left.pop(0))

    monkeypatch.setattr(torch.Tensor, "uniform_", uniform_)
    monkeypatch.setattr(torch.Tensor, "normal_", normal_)
    return left


class Watched(torch.optim.SGD):
    """SGD that keeps each parameter's gradient norm at every step."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norms: list[torch.Tensor] = []

    def step(self, *args, **kwargs):
        self.norms.append(torch.stack([p.grad.norm() for p in self.param_groups[0]["params"]]))
        return super().step(*args, **kwargs)


def follow(defense: Defense, model: nn.Module, arrays: dict[str, torch.Tensor]):
    """A step on each of the file's batches, as SGD 0.1, momentum 0.9 (or the file's `lr` and `momentum`), decay 5e-4.

    Returns:
        The losses (k,) and the gradient norms (k, parameters) of the classifier.
    """
    f = defense.deployed(model)
    optimizer = Watched(f.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    k, n = arrays["y"].shape
    state = State(model, {"model": optimizer}, torch.Generator(), epochs=20, steps_per_epoch=k)
    losses = []
    for i in range(k):
        state.step = i
        for key in {"lr", "momentum"} & set(arrays):
            optimizer.param_groups[0][key] = arrays[key][i].item()
        batch = Batch(arrays["x"][i], arrays["y"][i], torch.arange(n))
        losses.append(defense.step(batch, state)["loss"])
    return torch.stack(losses), torch.stack(optimizer.norms)


def same(
    arrays: dict[str, torch.Tensor], f: nn.Module, losses, norms, case: str = "", statistics: bool = True
):
    """Losses, gradients, weights and (if told) running statistics are the file's."""
    torch.testing.assert_close(losses, arrays[f"loss{case}"], **NEAR)
    torch.testing.assert_close(norms, arrays[f"gradients{case}"], **NEAR)
    ended, found = weights(arrays, f"end{case}"), f.state_dict()
    assert ended
    assert not statistics or set(ended) == set(found)
    for name, tensor in ended.items():
        torch.testing.assert_close(found[name], tensor, **NEAR, msg=lambda m, name=name: f"{name}: {m}")
