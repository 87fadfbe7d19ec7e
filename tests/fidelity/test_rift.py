"""RiFT: criticality, an epoch on the chosen module and the interpolation against the authors' functions."""

import torch

from redoubt.defenses.base import Batch, State
from redoubt.defenses.rift import Rift, criticality, modules
from tests.fidelity.golden import golden
from tests.fidelity.steps import NEAR, defense_of, network, weights


def test_criticality_of_every_module():
    arrays, _ = golden("rift")
    f = network(arrays).eval()
    found = [criticality(f, name, arrays["x_adv"], arrays["y"][0], 0.1, 10) for name in modules(f)]
    torch.testing.assert_close(torch.stack(found), arrays["mrc"], **NEAR)


def test_an_epoch_on_the_least_critical_module_and_its_interpolation():
    arrays, _ = golden("rift")
    f = network(arrays)
    chosen = modules(f)[int(arrays["mrc"].argmin())]
    defense, model = defense_of(Rift, f, 0.15, module=chosen)
    sgd = torch.optim.SGD(f.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    state = State(model, {"model": sgd}, torch.Generator())
    batches = [Batch(x, y, torch.arange(6)) for x, y in zip(arrays["x"], arrays["y"], strict=True)]
    losses = [defense.step(batch, state)["loss"] for batch in batches]
    torch.testing.assert_close(torch.stack(losses).mean(), arrays["loss"], **NEAR)
    expected = {**weights(arrays, "start"), **weights(arrays, "end")}
    for name, tensor in f.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], **NEAR)
    model.factor.fill_(0.3)
    mixed = {**weights(arrays, "start"), **weights(arrays, "mixed")}
    for name, tensor in defense.deployed(model).state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, mixed[name], **NEAR)
