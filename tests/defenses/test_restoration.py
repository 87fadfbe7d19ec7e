"""The forms of PSSR's condition c1 against literal transcriptions in float64, and what each of them sees."""

import math

import pytest
import torch
from torch import nn

from redoubt.defenses.restoration import (
    critic,
    critic_loss,
    generator_loss,
    indistinct,
    relativistic,
    told_apart,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def log_sigmoid(v):
    return -math.log(1 + math.exp(-v))


def test_the_relativistic_average_loss_by_hand():
    real, fake = draw(4, 3, seed=1), draw(5, 3, seed=2)
    r, g = real.flatten().tolist(), fake.flatten().tolist()
    mean_r, mean_g = sum(r) / len(r), sum(g) / len(g)
    wanted = -0.5 * sum(log_sigmoid(v - mean_g) for v in r) / len(r)
    wanted -= 0.5 * sum(log_sigmoid(mean_r - v) for v in g) / len(g)
    assert relativistic(real, fake).item() == pytest.approx(wanted, rel=1e-12)
    # Equal scores tell nothing apart.
    same = torch.zeros(2, 2, dtype=torch.float64)
    assert relativistic(same, same).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("k", [2, 3])
def test_the_identity_losses_by_hand(k):
    z, n = draw(2 * k, k), 2
    own = confused = 0.0
    for row, logits in enumerate(z.tolist()):
        for column, v in enumerate(logits):
            is_own = 1.0 if row // n == column else 0.0
            for target, add in ((is_own, "own"), (1 / k, "confused")):
                bce = -target * log_sigmoid(v) - (1 - target) * log_sigmoid(-v)
                own, confused = own + bce * (add == "own"), confused + bce * (add == "confused")
    assert told_apart(z).item() == pytest.approx(own / z.numel(), rel=1e-12)
    assert indistinct(z).item() == pytest.approx(confused / z.numel(), rel=1e-12)


def test_indistinct_is_least_where_every_identity_has_its_share():
    flat = torch.full((3, 3), -math.log(2), dtype=torch.float64).requires_grad_()  # a sigmoid of 1/3
    (slope,) = torch.autograd.grad(indistinct(flat), flat)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    assert indistinct(flat) < indistinct(flat + draw(3, 3))


class Score(nn.Module):
    """One score an image, from image and mask."""

    def forward(self, z, mask):
        return z.flatten(1).sum(1, keepdim=True) + 10 * mask.flatten(1).sum(1, keepdim=True)


def given():
    real, restored = torch.rand(4, 1, 8, 8).double(), torch.rand(4, 1, 8, 8).double().requires_grad_()
    return real, restored, (torch.rand(4, 1, 8, 8) > 0.5).double()


def test_the_two_sides_of_the_relativistic_loss_swap_their_images():
    real, restored, removed = given()
    r, g = Score()(2 * real - 1, removed), Score()(2 * restored - 1, removed)
    args = ("relativistic", Score(), real, restored, removed)
    torch.testing.assert_close(critic_loss(*args), relativistic(r, g))
    torch.testing.assert_close(generator_loss(*args), relativistic(g, r))


def test_the_identity_is_told_from_the_image_alone():
    real, restored, removed = given()
    restored = restored.float()
    torch.manual_seed(0)
    d = critic("identity", channels=1, image_size=8, identities=2).eval()
    args = (real.float(), restored)
    for loss in (critic_loss, generator_loss):
        one, other = (
            loss("identity", d, *args, removed.float()),
            loss("identity", d, *args, 1 - removed.float()),
        )
        assert torch.equal(one, other)
        assert torch.autograd.grad(one, restored)[0].abs().sum() > 0
    torch.testing.assert_close(critic_loss("identity", d, *args, removed), told_apart(d(2 * restored - 1)))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3), (224, 3)])
def test_an_identity_discriminator_fits_every_data_set(size, channels):
    d = critic("identity", channels=channels, image_size=size, identities=3)
    assert d.training
    assert all(m.training for m in d.modules())
    assert d.eval()(torch.rand(2, channels, size, size)).shape == (2, 3)
    assert "no_mask" not in d.state_dict()


def test_a_discriminator_learns_identities_that_are_there():
    torch.manual_seed(0)
    d = critic("identity", channels=1, image_size=8, identities=2)
    x = torch.rand(16, 1, 8, 8) * 0.5
    images = torch.cat([x, x + 0.5])
    learn = torch.optim.Adam(d.parameters(), lr=0.01)
    for _ in range(60):
        learn.zero_grad()
        critic_loss("identity", d, images, images, images).backward()
        learn.step()
    assert (d.eval()(2 * images - 1).argmax(1) == torch.arange(2).repeat_interleave(16)).all()
