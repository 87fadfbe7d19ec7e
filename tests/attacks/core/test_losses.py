"""Losses against their definitions, written out."""

import pytest
import torch
import torch.nn.functional as F

from redoubt.attacks.core import losses

torch.manual_seed(0)
LOGITS = torch.randn(50, 10) * 3
Y = torch.randint(10, (50,))
TARGET = (Y + torch.randint(1, 10, (50,))) % 10


def by_hand(row, y):
    others = sorted((v for i, v in enumerate(row.tolist()) if i != y), reverse=True)
    return others[0] - row[y].item()


def test_margin_is_positive_exactly_where_the_answer_is_wrong():
    assert torch.equal(losses.margin(LOGITS, Y) > 0, LOGITS.argmax(1) != Y)
    assert losses.margin(LOGITS, Y).tolist() == pytest.approx(
        [by_hand(r, y) for r, y in zip(LOGITS, Y, strict=True)]
    )


def test_margin_does_not_care_about_a_shift_of_all_logits():
    assert torch.allclose(losses.margin(LOGITS - 100, Y), losses.margin(LOGITS, Y), atol=1e-4)


def test_dlr_follows_equation_6_and_ignores_shift_and_scale():
    top = LOGITS.sort(1, descending=True).values
    wanted = losses.margin(LOGITS, Y) / (top[:, 0] - top[:, 2])
    assert torch.allclose(losses.dlr(LOGITS, Y), wanted, atol=1e-5)
    assert torch.allclose(losses.dlr(LOGITS * 7 - 3, Y), wanted, atol=1e-4)


def test_targeted_dlr_follows_equation_7():
    top = LOGITS.sort(1, descending=True).values
    rows = torch.arange(50)
    wanted = (LOGITS[rows, TARGET] - LOGITS[rows, Y]) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2)
    assert torch.allclose(losses.targeted_dlr(LOGITS, Y, TARGET), wanted, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes_keep_a_gradient_and_the_order(classes):
    logits = (torch.randn(20, classes) * 2).requires_grad_()
    y = torch.randint(classes, (20,))
    for value in (losses.dlr(logits, y), losses.targeted_dlr(logits, y, (y + 1) % classes)):
        assert value.isfinite().all()
        (gradient,) = torch.autograd.grad(value.sum(), logits, retain_graph=True)
        assert gradient.isfinite().all()
    assert torch.equal(losses.dlr(logits, y) > 0, logits.argmax(1) != y)
    two = losses.dlr(logits[:, :2], y.clamp_max(1))
    (gradient,) = torch.autograd.grad(two.sum(), logits)
    assert (gradient[:, :2].abs().sum(1) > 0).all()


def test_kl_is_the_divergence_and_zero_at_its_reference():
    reference = torch.randn(50, 10).softmax(1)
    wanted = F.kl_div(LOGITS.log_softmax(1), reference, reduction="none").sum(1)
    assert torch.allclose(losses.kl(LOGITS, reference), wanted, atol=1e-5)
    assert torch.allclose(losses.kl(LOGITS, LOGITS.softmax(1)), torch.zeros(50), atol=1e-5)
    certain = F.one_hot(Y, 10).float()
    assert torch.allclose(losses.kl(LOGITS, certain), losses.cross_entropy(LOGITS, Y), atol=1e-5)


def test_targeted_losses_grow_as_the_target_wins():
    assert torch.equal(losses.targeted_margin(LOGITS, TARGET) > 0, LOGITS.argmax(1) == TARGET)
    assert torch.allclose(
        losses.targeted_cross_entropy(LOGITS, TARGET), LOGITS.log_softmax(1).gather(1, TARGET[:, None])[:, 0]
    )
