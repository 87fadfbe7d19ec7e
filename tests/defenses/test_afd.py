"""AFD against slow, literal transcriptions of its losses and of the released update, and its limits."""

import copy

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from redoubt.defenses.afd import Afd, wrong_label
from redoubt.defenses.vaft import Vaft
from tests.defenses.fine_tuned import draws, small, tiny

WEIGHTS = {"alpha": 0.3, "beta": 0.7, "gamma": 2.0}


def prepared(monkeypatch, **params):
    """A tiny AFD whose disentanglers have left the identity, and a fixed x_adv."""
    defense, batch, state = tiny(Afd, **{**WEIGHTS, **params})
    with torch.no_grad():
        for p in [*state.model.D1.parameters(), *state.model.D2.parameters()]:
            p.add_(0.2 * torch.randn(p.shape, generator=draws(5), dtype=p.dtype))
    x_adv = (batch.x + 0.15).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    return defense, batch, state, x_adv


def wrong_by_hand(z1, y):
    """The released rule: the runner-up where z_1 is right, else what it says."""
    found = []
    for z, t in zip(z1, y, strict=True):
        first, second = torch.sort(z, descending=True).indices[:2]
        found.append(second if first == t else first)
    return torch.stack(found)


def cos_by_hand(a, b):
    return sum(u @ v / ((u @ u).sqrt() * (v @ v).sqrt()) for u, v in zip(a, b, strict=True)) / len(a)


def ce_by_hand(z, y):
    return sum(-torch.log(torch.exp(z[i, y[i]]) / torch.exp(z[i]).sum()) for i in range(len(y))) / len(y)


def losses_by_hand(model, batch, x_adv):
    """L_1, L_2, L_3 and the groups of weights, with everything attached but the stop-gradient of section 3."""
    f_adv = model.classifier.features(x_adv)
    w, b = model.classifier.head.weight, model.classifier.head.bias
    f1, f2 = f_adv @ model.D1.weight.T, f_adv.detach() @ model.D2.weight.T
    z1, z2 = f1 @ w.T + b, f2 @ w.T + b
    f_nat = model.start.features(batch.x).detach()
    l1 = WEIGHTS["alpha"] * ce_by_hand(z2, wrong_by_hand(z1, batch.y))
    l2 = WEIGHTS["beta"] * cos_by_hand(f1, f2)
    l3 = ce_by_hand(z1, batch.y) + WEIGHTS["gamma"] * (1 - cos_by_hand(f1, f_nat))
    g = list(model.classifier.stages.parameters())
    return (l1, l2, l3), {"g": g, "head": [w, b], "D1": [model.D1.weight], "D2": [model.D2.weight]}


def gradient(loss, weights):
    return torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True)


def test_the_wrong_label_is_the_released_rule():
    z, y = torch.randn(200, 5, generator=draws()), torch.randint(5, (200,), generator=draws(1))
    found = wrong_label(z, y)
    assert torch.equal(found, wrong_by_hand(z, y))
    assert (found != y).all()
    assert (found == z.argmax(1)).any()
    assert (found != z.argmax(1)).any()


def test_the_losses_are_the_papers(monkeypatch):
    defense, batch, state, x_adv = prepared(monkeypatch)
    terms, _ = defense.losses(batch, x_adv, copy.deepcopy(state.model))
    expected, _ = losses_by_hand(copy.deepcopy(state.model), batch, x_adv)
    for found, by_hand in zip((terms["L1"], terms["L2"], terms["L3"]), expected, strict=True):
        torch.testing.assert_close(found, by_hand)


@pytest.mark.parametrize("trains_head", [False, True])
def test_single_graph_moves_d2_by_l1_and_the_rest_by_l2_and_l3(trains_head, monkeypatch):
    defense, batch, state, x_adv = prepared(monkeypatch, update="single_graph", trains_head=trains_head)
    before = copy.deepcopy(state.model)
    (l1, l2, l3), groups = losses_by_hand(copy.deepcopy(before), batch, x_adv)
    defense.step(batch, state)
    now = {
        "g": list(state.model.classifier.stages.parameters()),
        "head": list(state.model.classifier.head.parameters()),
        "D1": [state.model.D1.weight],
        "D2": [state.model.D2.weight],
    }
    leak = l1 if trains_head else 0
    for name, loss in {"g": l2 + l3, "head": l2 + l3 + leak, "D1": l2 + l3, "D2": l1}.items():
        for old, g, new in zip(groups[name], gradient(loss, groups[name]), now[name], strict=True):
            # First SGD step: momentum starts with the gradient; weight decay is 0.01.
            torch.testing.assert_close(new, old - 0.1 * (g + 0.01 * old))
            assert not torch.equal(new, old)


def released(model, batch, x_adv):
    """The released order on gradients taken at the first weights, momentum and decay off: opt1, opt2, opt."""
    (l1, l2, l3), groups = losses_by_hand(model, batch, x_adv)
    held = {name: [torch.zeros_like(w) for w in ws] for name, ws in groups.items()}
    moved = {name: [w.detach().clone() for w in ws] for name, ws in groups.items()}
    rest = ("g", "head", "D1")
    for loss, stepped in ((l1, ("D2",)), (l2, rest), (l3, rest)):  # zero_grad ran once, before L_1
        for name, ws in groups.items():
            for kept, g in zip(held[name], gradient(loss, ws), strict=True):
                kept += g
        for name in stepped:
            for w, g in zip(moved[name], held[name], strict=True):
                w -= 0.1 * g
    return moved


def test_double_is_the_released_sequence_with_gradients_at_the_first_weights(monkeypatch):
    defense, batch, state, x_adv = prepared(monkeypatch, update="double", momentum=0.0, weight_decay=0.0)
    expected = released(copy.deepcopy(state.model), batch, x_adv)
    single, _, other, _ = prepared(monkeypatch, update="single_graph", momentum=0.0, weight_decay=0.0)
    defense.step(batch, state)
    single.step(batch, other)
    a = state.model
    found = {
        "g": list(a.classifier.stages.parameters()),
        "head": list(a.classifier.head.parameters()),
        "D1": [a.D1.weight],
        "D2": [a.D2.weight],
    }
    for name, weights in found.items():
        for w, by_hand in zip(weights, expected[name], strict=True):
            torch.testing.assert_close(w.detach(), by_hand)
    assert not torch.equal(a.D1.weight, other.model.D1.weight)
    assert not torch.equal(a.classifier.head.weight, other.model.classifier.head.weight)
    torch.testing.assert_close(a.D2.weight, other.model.D2.weight)  # L_1 moves it once in either


def test_double_decays_all_but_d2_twice():
    optimizers = tiny(Afd, update="double", weight_decay=0.01)[2].optimizers
    assert optimizers["model"].param_groups[0]["weight_decay"] == pytest.approx(0.02)
    assert optimizers["D2"].param_groups[0]["weight_decay"] == pytest.approx(0.01)


def test_what_is_detached(monkeypatch):
    defense, batch, state, x_adv = prepared(monkeypatch, update="single_graph")
    model = state.model
    reached = lambda term: {
        n for n, p in model.named_parameters() if p.requires_grad and gradient(term, [p])[0].abs().sum() > 0
    }
    terms, _ = defense.losses(batch, x_adv, model)
    assert reached(terms["L1"]) == {"D2.weight"}
    assert not any(n.startswith("start") for n in reached(terms["L3"]))
    assert "D2.weight" not in reached(terms["L3"])
    assert not any(n.startswith("classifier.head") for n in reached(terms["L2"]))
    attached, *_ = prepared(monkeypatch, stop_gradient=False)
    terms, _ = attached.losses(batch, x_adv, model)
    assert "classifier.stages.block1.0.weight" in reached(terms["L1"])
    as_released, *_ = prepared(monkeypatch)
    terms, _ = as_released.losses(batch, x_adv, model)
    assert reached(terms["L1"]) == {"D2.weight", "classifier.head.weight", "classifier.head.bias"}


def test_teacher_features_are_of_natural_images_unless_told(monkeypatch):
    found = {}
    for kind in ("natural", "adversarial"):
        defense, batch, state, x_adv = prepared(monkeypatch, aligns_with=kind)
        _, logged = defense.losses(batch, x_adv, state.model)
        seen = batch.x if kind == "natural" else x_adv
        f1 = state.model.D1(state.model.classifier.features(x_adv))
        torch.testing.assert_close(
            logged["alignment"], 1 - cos_by_hand(f1, state.model.start.features(seen)).detach()
        )
        found[kind] = logged["alignment"]
    assert found["natural"] != found["adversarial"]


def test_the_disentanglers_start_as_the_identity():
    for kind in ("linear", "mlp"):
        defense, batch, state = tiny(Afd, disentangler=kind)
        f = torch.randn(4, 5, generator=draws(), dtype=torch.float64)
        assert torch.equal(state.model.D1(f), f)
        assert torch.equal(state.model.D2(f), f)
        metrics = defense.step(batch, state)
        assert metrics["cosine"] == pytest.approx(1)
        assert metrics["accuracy_z1"] == metrics["accuracy_z2"]


def test_without_disentanglers_and_weights_it_is_vaft_weight_for_weight():
    off = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0, "step_size": 0.25, "update": "single_graph"}
    defense, state, _ = small(Afd, params={**off, "disentangler": "none"})
    base = small(Vaft)[1].model.classifier.state_dict()
    ours = defense.deployed(state.model).state_dict()
    assert list(ours) == list(base)
    assert all(torch.equal(ours[k], base[k]) for k in base)
    # With D_1 the first step is vAFT's; then D_1 is one more layer that learns.
    once, base_once = small(Afd, 1, params=off)[1].model.classifier, small(Vaft, 1)[1].model.classifier
    assert all(torch.equal(v, once.state_dict()[k]) for k, v in base_once.state_dict().items())
    deeper = small(Afd, params=off)[1].model.classifier.state_dict()
    assert any(not torch.equal(deeper[k], base[k]) for k in base)
    with pytest.raises(ValidationError, match="must be 0"):
        Afd.Params(disentangler="none")


def test_folding_changes_no_logit_and_gives_the_plain_network():
    defense, state, batch = small(Afd, steps=5)
    model = state.model.eval()
    folded = defense.deployed(model)
    assert list(folded.state_dict()) == list(model.classifier.state_dict())
    torch.testing.assert_close(folded(batch.x), model(batch.x), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(model.classifier(batch.x), model(batch.x), rtol=1e-3, atol=1e-3)
    before = model.classifier.head.weight.detach().clone()
    with torch.no_grad():
        folded.head.weight.zero_()
    assert torch.equal(model.classifier.head.weight, before)


def test_an_mlp_cannot_be_folded_and_is_deployed_whole():
    defense, state, _ = small(Afd, params={"disentangler": "mlp"})
    assert defense.deployed(state.model) is state.model
    assert state.model.D1.v.weight.abs().sum() > 0


def test_the_surrogate_of_an_attacker_who_knows_d2():
    defense, state, batch = small(Afd)
    views = defense.adaptive(state.model.eval())
    z1, z2 = state.model(batch.x), state.model.confused(batch.x)
    assert set(views) == {"deployed", "unfolded", "minus_confused", "both_branches"}
    torch.testing.assert_close(views["minus_confused"].model(batch.x), z1 - z2)
    torch.testing.assert_close(views["both_branches"].model(batch.x), z1 + z2)
    assert not any(m.training for view in views.values() for m in view.model.modules())
    f = state.model.classifier.features(batch.x)
    torch.testing.assert_close(
        z2, F.linear(f @ state.model.D2.weight.T, *state.model.classifier.head.parameters())
    )
