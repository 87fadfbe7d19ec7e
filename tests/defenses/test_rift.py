"""RiFT: criticality, the chosen module alone moves, and the interpolation that is deployed."""

import copy

import pytest
import torch
import torch.nn.functional as F

from redoubt.defenses.rift import Rift, criticality, modules
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


def test_a_named_module_must_exist():
    assert small(Rift, params={"module": "head"})[1].model.chosen == -1
    with pytest.raises(RedoubtError, match="no such module"):
        small(Rift, params={"module": "haed"})
    assert Rift.starts_from == "pgd_at"
