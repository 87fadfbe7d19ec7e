"""What every attack refuses, and what it answers where there is nothing to do."""

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.engine import from_probabilities
from redoubt.errors import RedoubtError

OURS = ["none", "fgsm", "rfgsm", "pgd", "cw_pgd", "cw", "ddn", "deepfool", "stadv", "inverse"]
SHORT = {
    "cw": {"steps": 5, "search_steps": 2},
    "ddn": {"steps": 5},
    "deepfool": {"steps": 3},
    "stadv": {"steps": 3},
}
L2_ONLY = ("cw", "ddn")


def settings(name, eps=0.1):
    return {"eps": eps, "norm": "l2" if name in L2_ONLY else "linf", **SHORT.get(name, {})}


@pytest.fixture
def few(robust_model):
    model, x, y, _ = robust_model
    return model, x[:6].clone(), y[:6].clone()


class Answers(nn.Module):
    """A model whose logits are changed before they are returned."""

    def __init__(self, model, change):
        super().__init__()
        self.model, self.change = model, change
        self.eval()

    def forward(self, x):
        return self.change(self.model(x))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_pixels_outside_the_range_are_refused(few, name, value):
    model, x, y = few
    x[3, 0, 2, 2] = value
    with pytest.raises(RedoubtError, match="pixels in"):
        attacks.get(name)(model, x, y, **settings(name))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("label", [-1, 10])
def test_labels_out_of_range_are_refused(few, name, label):
    model, x, y = few
    y[2] = label
    with pytest.raises(RedoubtError, match="labels out of range"):
        attacks.get(name)(model, x, y, **settings(name))


@pytest.mark.parametrize("name", OURS)
def test_nan_logits_are_refused(few, name):
    model, x, y = few
    broken = Answers(model, lambda z: torch.where(torch.arange(len(z))[:, None] == 1, torch.nan, z))
    with pytest.raises(RedoubtError, match="NaN or infinite logits"):
        attacks.get(name)(broken, x, y, **settings(name))


def test_nan_logits_that_only_the_attack_meets_are_refused(few):
    model, x, y = few
    seen = x.clone()

    class OnlyHere(nn.Module):
        def forward(self, z):
            far = (z - seen[: len(z)]).abs().amax((1, 2, 3)) > 0.05
            return torch.where(far[:, None], torch.nan, model(z))

    with pytest.raises(RedoubtError, match="NaN or infinite logits"):
        attacks.get("fgsm")(OnlyHere().eval(), x, y, eps=0.1)


@pytest.mark.parametrize("name", OURS)
def test_train_mode_is_refused(few, name):
    model, x, y = few
    training = nn.Sequential(model, nn.Identity()).train()
    try:
        with pytest.raises(RedoubtError, match="train mode"):
            attacks.get(name)(training, x, y, **settings(name))
    finally:
        model.eval()


@pytest.mark.parametrize("name", OURS)
def test_probabilities_are_refused(few, name):
    model, x, y = few
    with pytest.raises(RedoubtError, match="probabilities"):
        attacks.get(name)(Answers(model, lambda z: z.softmax(1)), x, y, **settings(name))


def test_probabilities_can_be_attacked_as_logits(robust_model):
    model, x, y, eps = robust_model
    wrapped = from_probabilities(Answers(model, lambda z: z.softmax(1)))
    direct = attacks.get("pgd")(model, x, y, eps=eps).correct
    through = attacks.get("pgd")(wrapped, x, y, eps=eps).correct
    assert (direct != through).float().mean() <= 0.02


@pytest.mark.parametrize("name", OURS)
def test_one_class_is_refused(few, name):
    model, x, y = few
    with pytest.raises(RedoubtError, match="one class"):
        attacks.get(name)(Answers(model, lambda z: z[:, :1]), x, y * 0, **settings(name))


@pytest.mark.parametrize("name", OURS)
def test_an_empty_batch_gives_an_empty_result(few, name):
    model, x, y = few
    result = attacks.get(name)(model, x[:0], y[:0], **settings(name))
    assert result.x_adv.shape == (0, 1, 8, 8)
    assert result.correct.shape == (0,)
    assert result.correct.dtype == torch.bool


@pytest.mark.parametrize("name", OURS)
def test_eps_0_gives_the_clean_prediction(robust_model, name):
    model, x, y, _ = robust_model
    result = attacks.get(name)(model, x, y, **settings(name, eps=0.0))
    assert torch.equal(result.x_adv, x)
    assert torch.equal(result.correct, model(x).argmax(1) == y)
    assert result.backward == 0


def test_other_bad_arguments(few):
    model, x, y = few
    with pytest.raises(RedoubtError, match="did you mean: linf"):
        attacks.get("pgd")(model, x, y, eps=0.1, norm="inf")
    with pytest.raises(RedoubtError, match="0 or more"):
        attacks.get("pgd")(model, x, y, eps=-0.1)
    with pytest.raises(RedoubtError, match="0 or more"):
        attacks.get("pgd")(model, x, y, eps=float("nan"))
    with pytest.raises(RedoubtError, match="do not belong together"):
        attacks.get("pgd")(model, x, y[:2], eps=0.1)
    with pytest.raises(RedoubtError, match="labels out of range"):
        attacks.get("pgd")(model, x, y.float(), eps=0.1)
    for name in L2_ONLY:
        with pytest.raises(RedoubtError, match="does not exist for this norm"):
            attacks.get(name)(model, x, y, eps=0.1, norm="linf")


@pytest.mark.parametrize("name", OURS)
def test_the_model_is_left_as_it_was(few, name):
    model, x, y = few
    before = {k: v.clone() for k, v in model.state_dict().items()}
    attacks.get(name)(model, x, y, **settings(name))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
