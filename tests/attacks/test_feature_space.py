"""The feature-space attack: its objective by hand, what it reaches that logits do not show, and where it is PGD."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt import attacks
from redoubt.attacks.feature_space import Aim
from redoubt.defenses.afd import Afd
from redoubt.errors import RedoubtError
from tests.defenses.fine_tuned import draws, small

N, K, D = 5, 4, 3
attack = attacks.get("feature_space")


def numbers(*shape, seed):
    return torch.randn(*shape, dtype=torch.float64, generator=draws(seed))


def distance_by_hand(a, b, metric):
    if metric == "cosine":
        dot = sum(u * v for u, v in zip(a, b, strict=True))
        return 1 - dot / math.sqrt(sum(u * u for u in a) * sum(v * v for v in b))
    difference = [abs(u - v) for u, v in zip(a, b, strict=True)]
    return {"linf": max(difference), "l1": sum(difference), "l2": math.hypot(*difference)}[metric]


@pytest.mark.parametrize(
    ("loss", "metric"), product(["ce", "margin", "toward", "none"], ["cosine", "linf", "l1", "l2"])
)
def test_the_objective_by_hand(loss, metric):
    z1, z2, f1, clean = (numbers(N, w, seed=i) for i, w in enumerate((K, K, D, D)))
    y, target, c, weight = torch.arange(N) % K, (torch.arange(N) + 1) % K, -0.7, 2.5
    wanted = []
    for i in range(N):
        z = [a + c * b for a, b in zip(z1[i].tolist(), z2[i].tolist(), strict=True)]
        but = lambda j, z=z: max(v for n, v in enumerate(z) if n != j)
        base = {
            "ce": -math.log(math.exp(z[y[i]]) / sum(map(math.exp, z))),
            "margin": but(y[i]) - z[y[i]],
            "toward": z[target[i]] - but(target[i]),
            "none": 0.0,
        }[loss]
        wanted.append(base + weight * distance_by_hand(clean[i].tolist(), f1[i].tolist(), metric))
    found = Aim(loss, c, weight, "natural", metric).value(z1, z2, f1, y, target, clean)
    assert found.tolist() == pytest.approx(wanted, rel=1e-9)


def test_the_target_is_the_wrong_label_of_the_confused_branch():
    z2, y = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]]), torch.tensor([0, 0])
    assert Aim("toward", 0.0, 0.0, "natural", "linf").target(z2, y).tolist() == [2, 1]


class Two(nn.Module):
    """Two pixels: z_1 sees the first, z_2 the second, f_1 both; a threshold gives z_1 no gradient."""

    def __init__(self, seen=True):
        super().__init__()
        self.seen = seen
        self.eval()

    def branches(self, x):
        a, b = x[:, 0, 0, 0], x[:, 0, 0, 1]
        first = 4 * (a - 0.5) if self.seen else torch.where(a > 0.5, 1.0, -1.0) + 0 * a
        return torch.stack([-first, first], 1), torch.stack([-b, b], 1), torch.stack([a, b - 0.5], 1)

    def natural(self, x):
        return torch.stack([torch.full_like(x[:, 0, 0, 0], -1.0), x[:, 0, 0, 1] - 0.5], 1)

    def forward(self, x):
        return self.branches(x)[0]


def images():
    return torch.full((3, 1, 1, 2), 0.4), torch.zeros(3, dtype=torch.int64)


def test_features_break_what_logits_without_a_gradient_hide():
    x, y = images()
    model = Two(seen=False)
    given = {"eps": 0.15, "steps": 10}
    assert attack(model, x, y, loss="ce", gap=0.0, **given).correct.all()
    # The first feature is to leave -1, so it grows.
    found = attack(model, x, y, loss="ce", gap=1.0, metric="l1", **given)
    assert not found.correct.any()
    assert (found.x_adv - x).abs().max() <= 0.15 + 1e-6
    assert torch.equal(model(found.x_adv).argmax(1) == y, found.correct)


@pytest.mark.parametrize(("confused", "sign"), [(1.0, 1), (-1.0, -1)])
def test_the_confused_branch_is_reached_with_its_sign(confused, sign):
    x, y = images()
    found = attack(Two(), x, y, eps=0.05, steps=20, gap=0.0, confused=confused)
    moved = found.x_adv - x
    torch.testing.assert_close(moved[:, 0, 0, 0], torch.full((3,), 0.05))
    torch.testing.assert_close(moved[:, 0, 0, 1], torch.full((3,), 0.05 * sign))


def test_the_reference_is_the_natural_image_of_either_network():
    x, y = images()
    run = lambda reference: attack(
        Two(), x, y, eps=0.05, steps=20, loss="none", reference=reference, metric="l1", seed=3
    )
    # From the natural network's -1 the first feature flees upwards; from its own 0.4 wherever it started.
    assert (run("natural").x_adv[:, 0, 0, 0] > 0.449).all()
    first = (run("own").x_adv - x)[:, 0, 0, 0]
    assert (first.abs() > 0.049).all()
    assert len(first.sign().unique()) == 2


def afd():
    defense, state, batch = small(Afd, steps=4)
    return defense, state.model.eval(), batch


def test_without_features_and_confused_branch_it_is_pgd():
    _, model, batch = afd()
    given = {"eps": 0.1, "steps": 5, "seed": 2, "restarts": 2}
    for loss in ("ce", "margin"):
        ours = attack(model, batch.x, batch.y, loss=loss, gap=0.0, **given)
        pgd = attacks.get("pgd")(model, batch.x, batch.y, loss=loss, **given)
        assert torch.equal(ours.correct, pgd.correct)
        assert torch.equal(ours.x_adv[~ours.correct], pgd.x_adv[~pgd.correct])
    once = {**given, "restarts": 1}
    ours = attack(model, batch.x, batch.y, gap=0.0, **once)
    standing = model(batch.x).argmax(1) == batch.y
    assert standing.any()
    assert torch.equal(
        ours.x_adv[standing], attacks.get("pgd")(model, batch.x, batch.y, **once).x_adv[standing]
    )


def test_features_of_afd_go_further_from_the_natural_ones():
    _, model, batch = afd()
    y = model(batch.x).argmax(1)
    clean = model.natural(batch.x)
    far = lambda z: (1 - F.cosine_similarity(model.branches(z)[2], clean)).mean()
    run = lambda **how: attack(model, batch.x, y, eps=0.02, steps=20, **how).x_adv
    pushed = run(loss="none", gap=1.0)
    assert far(pushed) > far(run(gap=0.0))
    assert far(pushed) > far(batch.x)


def test_the_branches_are_those_of_the_view():
    defense, model, batch = afd()
    view = defense.adaptive(model)["unfolded"].model
    z1, _, f1 = view.branches(batch.x)
    torch.testing.assert_close(z1, view(batch.x))
    torch.testing.assert_close(z1, defense.deployed(model)(batch.x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(f1, model.D1(model.classifier.features(batch.x)))
    assert torch.equal(view.natural(batch.x), model.start.features(batch.x))
    x = batch.x.clone().requires_grad_()
    for part in view.branches(x):
        assert torch.autograd.grad(part.sum(), x, retain_graph=True)[0].abs().sum() > 0


def test_equal_seeds_give_equal_points_and_passes_are_counted():
    x, y = images()
    run = lambda seed: attack(
        Two(), x, y, eps=0.01, steps=3, loss="none", metric="l1", reference="own", seed=seed
    )
    assert torch.equal(run(0).x_adv, run(0).x_adv)
    assert not torch.equal(run(0).x_adv, run(1).x_adv)
    assert run(0).backward == 3 * 3
    assert run(0).forward == (1 + 4 + 1) * 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "one or more"),
        ({"restarts": 0}, "one or more"),
        ({"loss": "margins"}, "did you mean: margin"),
        ({"reference": "natura"}, "did you mean: natural"),
        ({"metric": "cos"}, "unknown choice"),
        ({"loss": "none", "gap": 0.0}, "nothing is left"),
    ],
)
def test_bad_input_is_refused(given, says):
    with pytest.raises(RedoubtError, match=says):
        attack(Two(), *images(), eps=0.1, **given)


def test_a_model_without_branches_is_refused():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
    with pytest.raises(RedoubtError, match="view `unfolded`"):
        attack(plain, *images(), eps=0.1)
