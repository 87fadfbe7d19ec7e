"""RiFT: criticality, the chosen module alone moves, and the interpolation that is deployed."""

import copy

import pytest
import torch
import torch.nn.functional as F

from redoubt.defenses.rift import FACTORS, Rift, criticality, modules
from redoubt.errors import RedoubtError
from tests.defenses.fine_tuned import Tiny, draws, small


def test_criticality_is_the_worst_rise_within_the_radius():
    torch.manual_seed(0)
    f = Tiny().double().eval()
    x, y = torch.rand(6, 1, 2, 2, generator=draws(), dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 1])
    held = copy.deepcopy(f.state_dict())
    found = criticality(f, "head", x, y, 0.1, 10)
    assert all(torch.equal(v, held[k]) for k, v in f.state_dict().items())
    twin, kept, losses = copy.deepcopy(f), f.head.weight.detach(), []
    for _ in range(10):
        (g,) = torch.autograd.grad(F.cross_entropy(twin(x), y), twin.head.weight)
        with torch.no_grad():
            change = twin.head.weight + g - kept
            if (size := change.norm() / kept.norm()) > 0.1:
                change = change / size * 0.1
            twin.head.weight.copy_(kept + change)
            losses.append(F.cross_entropy(twin(x), y))
    torch.testing.assert_close(found, max(losses) - F.cross_entropy(f(x), y).detach())
    assert found > 0


def test_the_module_of_lowest_criticality_alone_is_fine_tuned():
    _, state, batch = small(Rift)
    model, names = state.model, modules(state.model.classifier)
    f = model.start
    mrc = []
    twin, fresh, _ = small(Rift, steps=0)
    x_adv = twin.perturb(f, batch, fresh, lambda z: F.cross_entropy(f(z), batch.y, reduction="none"))
    for name in names:
        mrc.append(criticality(f, name, x_adv, batch.y, 0.1, 10))
    chosen = names[int(model.chosen)]
    assert chosen == names[int(torch.stack(mrc).argmin())]
    start = dict(f.named_parameters())
    moved = {n for n, p in model.classifier.named_parameters() if not torch.equal(p, start[n])}
    assert moved
    assert all(n.startswith(f"{chosen}.") for n in moved)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0])
def test_the_deployed_network_is_interpolated_with_the_start(factor):
    defense, state, _ = small(Rift, params={"factor": factor, "module": "head"})
    a, b = state.model.start.state_dict(), state.model.classifier.state_dict()
    found = defense.deployed(state.model).state_dict()
    assert not torch.equal(a["head.weight"], b["head.weight"])
    for k in a:
        if a[k].dtype.is_floating_point:
            torch.testing.assert_close(found[k], (1 - factor) * a[k] + factor * b[k])


def test_the_factor_is_the_most_accurate_that_loses_no_robustness():
    """Of equals the largest; more robustness may be given away by `loss_allowed`."""
    clean = dict(zip(FACTORS, (80, 82, 84, 84, 90, 91, 92, 93, 94, 95, 96), strict=True))
    robust = dict(zip(FACTORS, (50, 51, 50, 50, 49, 48, 50, 47, 46, 45, 44), strict=True))
    for allowed, expected in ((0.0, 0.6), (1.0, 0.6), (4.0, 0.8)):
        defense, state, _ = small(Rift, params={"module": "head", "loss_allowed": allowed})
        seen = []

        def evaluate(model=state.model, seen=seen):
            seen.append(model.factor.item())
            return clean[seen[-1]], robust[seen[-1]]

        assert state.model.factor == 1
        defense.finish(state.model, evaluate)
        assert seen == list(FACTORS)
        assert state.model.factor == expected
    flat, state, _ = small(Rift, params={"module": "head"})
    flat.finish(state.model, lambda: (80, 50))
    assert state.model.factor == 1


def test_a_factor_that_is_given_is_kept():
    defense, state, _ = small(Rift, params={"module": "head", "factor": 0.5})
    defense.finish(state.model, lambda: pytest.fail("asked for accuracies"))
    assert state.model.factor == 0.5


def test_a_named_module_must_exist():
    assert small(Rift, params={"module": "head"})[1].model.chosen == -1
    with pytest.raises(RedoubtError, match="no such module"):
        small(Rift, params={"module": "haed"})
    assert Rift.Params.starts_from == "pgd_at"
