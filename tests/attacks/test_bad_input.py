"""What every attack refuses, and what it answers where there is nothing to do."""

import numpy as np
import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.checked_input import any_radius, check_input
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


class Raises(nn.Module):
    def forward(self, x):
        raise ValueError("no such layer\nand more")


def in_place(model):
    def change(x):
        return model(x.mul_(0.5))

    return change


def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()


def one_hot(labels):
    return nn.functional.one_hot(labels, 10)


# what is wrong: (model, x, y) -> the same with the fault, and what the error says
BAD = {
    "images are whole numbers": (lambda m, x, y: (m, (x * 255).to(torch.uint8), y), "divide 0 to 255 by 255"),
    "images of 0 to 255": (lambda m, x, y: (m, x * 255, y), "divide by 255"),
    "normalized images": (lambda m, x, y: (m, x * 2 - 1, y), "normalise inside the model"),
    "images are text": (lambda m, x, y: (m, "x.npz", y), "tensor or an array"),
    "images are objects": (lambda m, x, y: (m, np.array([None] * 6), y), "tensor or an array"),
    "one image without its batch": (lambda m, x, y: (m, x[0], y[0]), "do not belong together"),
    "labels are probabilities": (lambda m, x, y: (m, x, y.float()), "whole numbers"),
    "labels are one-hot": (lambda m, x, y: (m, x, one_hot(y)), "do not belong together"),
    "labels are names": (lambda m, x, y: (m, x, np.array(["cat"] * 6)), "labels must be"),
    "labels beyond the classes": (lambda m, x, y: (m, x, y + 10), "the model has fewer classes"),
    "float64 weights": (lambda m, x, y: (flat().double(), x, y), "model.float()"),
    "a float64 buffer": (lambda m, x, y: (nn.Sequential(nn.BatchNorm2d(1).double(), m).eval(), x, y), "float64"),
    "a tuple": (lambda m, x, y: (lambda z: (m(z), z), x, y), r"model\(x\)\[0\]"),
    "classes instead of logits": (lambda m, x, y: (lambda z: m(z).argmax(1), x, y), "one row of logits"),
    "one-hot classes": (lambda m, x, y: (lambda z: one_hot(m(z).argmax(1)), x, y), "not with classes"),
    "numpy logits": (lambda m, x, y: (lambda z: m(z).numpy(), x, y), "logits alone"),
    "one row for all": (lambda m, x, y: (lambda z: m(z)[:1], x, y), "one row of logits an image"),
    "another device": (lambda m, x, y: (flat().to("meta"), x, y), "device"),
    "images of another shape": (lambda m, x, y: (m, x[:, :, :4], y), "cannot be called on these images"),
    "a model that raises": (lambda m, x, y: (Raises().eval(), x, y), "ValueError: no such layer"),
    "a model that changes its input": (lambda m, x, y: (in_place(m), x, y), "in place"),
    "no model": (lambda m, x, y: (m.state_dict(), x, y), "must be callable"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ["pgd", "apgd_ce", "cw_pgd"])
@pytest.mark.parametrize("fault", BAD)
def test_each_fault_has_one_clear_error(few, attack, fault):
    change, said = BAD[fault]
    model, x, y = change(*few)
    with pytest.raises(RedoubtError, match=said):
        attacks.get(attack)(model, x, y, eps=0.1)


def test_the_images_are_not_changed_by_a_model_that_is_refused(few):
    model, x, y = few
    before = x.clone()
    with pytest.raises(RedoubtError, match="in place"):
        attacks.get("pgd")(in_place(model), x, y, eps=0.1)
    assert torch.equal(x, before)


def test_another_number_of_classes_is_refused_where_it_is_known(few):
    model, x, y = few
    check_input(model, x, y, 0.1, "linf", classes=10)
    with pytest.raises(RedoubtError, match="differ in classes"):
        check_input(model, x, y, 0.1, "linf", classes=100)


@pytest.mark.parametrize("attack", ["pgd", "screen", "fgsm"])
@pytest.mark.parametrize(
    "given",
    [
        lambda x, y: (x.double(), y.int()),
        lambda x, y: (x.numpy(), y.numpy()),
        lambda x, y: (x.numpy().astype(np.float64), y.tolist()),
        lambda x, y: (np.asfortranarray(x.numpy()), y.to(torch.uint8)),
    ],
    ids=["float64", "numpy", "numpy float64 and a list", "Fortran order and uint8 labels"],
)
def test_arrays_and_other_precisions_are_converted(few, attack, given):
    model, x, y = few
    plain = attacks.get(attack)(model, x, y, eps=0.1)
    other = attacks.get(attack)(model, *given(x, y), eps=0.1)
    assert torch.equal(plain.x_adv, other.x_adv)
    assert torch.equal(plain.correct, other.correct)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "cw_pgd", "inverse", "screen", "square", "autoattack"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 8), ("linf", 1.0), ("l2", 8.0)])
def test_a_radius_that_covers_the_pixels_is_refused(few, name, norm, eps):
    with pytest.raises(RedoubtError, match="covers the whole pixel range"):
        attacks.get(name)(*few, eps=eps, norm=norm)


def test_a_radius_that_covers_the_pixels_can_be_meant(few):
    with pytest.raises(RedoubtError, match="did you mean: 8/255"):
        attacks.get("pgd")(*few, eps=8)
    with any_radius():
        assert not attacks.get("pgd")(*few, eps=8, steps=40).correct.any()
    with pytest.raises(RedoubtError, match="covers"):
        attacks.get("pgd")(*few, eps=8)
    assert attacks.get("pgd")(*few, eps=7.9, norm="l2").correct.shape == (6,)
    far = attacks.get("ddn")(*few, eps=float("inf"), norm="l2", steps=20)
    assert far.info["broken_at_any_distance"] == 6, "a search for the smallest perturbation has no radius"


@pytest.mark.parametrize("eps", [True, "8/255", None, [0.1]])
def test_a_radius_is_a_number(few, eps):
    with pytest.raises(RedoubtError, match="must be a number"):
        attacks.get("pgd")(*few, eps=eps)


class Blind(nn.Module):
    """The model behind something that no gradient passes."""

    def __init__(self, model, change):
        super().__init__()
        self.model, self.change = model, change
        self.eval()

    def forward(self, x):
        return self.model(self.change(x))


BLIND = {
    "hard sign": lambda x: (torch.sign(x - 0.5) + 1) / 2,
    "comparison": lambda x: (x > 0.5).float(),
    "detach": lambda x: x.detach(),
    "numpy": lambda x: torch.from_numpy(x.numpy()),
}


@pytest.mark.parametrize("change", BLIND)
@pytest.mark.parametrize("name", [*OURS, "screen"])
def test_without_a_gradient_an_attack_runs_and_finds_nothing_more(few, name, change):
    model, x, y = few
    blind = Blind(model, BLIND[change])
    result = attacks.get(name)(blind, x, y, **settings(name))
    assert torch.equal(result.correct, blind(result.x_adv).argmax(1) == y)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_a_gradient_the_black_box_of_autoattack_still_attacks(robust_model, norm):
    model, x, y, eps = robust_model
    blind = Blind(model, BLIND["detach"])
    run = attacks.get("autoattack")
    for version in ("standard", "plus"):
        short = {"steps": 5, "queries": 300, "targets": 2, "version": version, "norm": norm}
        result = run(blind, x[:40], y[:40], eps=2 * eps if norm == "linf" else 2.0, **short)
        left = {s["name"]: s["standing"] for s in result.info["stages"]}
        assert left["square"] < left["apgd_ce"], "what needs no gradient breaks images"
    with pytest.raises(RedoubtError, match="backend redoubt"):
        run(blind, x[:10], y[:10], eps=eps, backend="pyautoattack", steps=3, queries=3)
