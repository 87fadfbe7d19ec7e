"""Batches that shrink when memory runs out, predictions in float32, and the refusal of what left the ball."""

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.engine import Counted, batched, predict
from redoubt.attacks.core.entry_exit import check_within, finish
from redoubt.errors import RedoubtError


class Small(nn.Module):
    """Fails like a device with room for `most` images."""

    def __init__(self, model, most, error):
        super().__init__()
        self.model, self.most, self.error, self.sizes = model, most, error, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error
        return self.model(x)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu"])
@pytest.mark.parametrize("name", ["fgsm", "pgd", "inverse", "ddn", "deepfool", "stadv"])
def test_out_of_memory_halves_the_batch_and_changes_nothing(robust_model, name, error):
    model, x, y, eps = robust_model
    kind = {"eps": 0.5, "norm": "l2"} if name == "ddn" else {"eps": eps}
    short = {} if name in ("fgsm", "deepfool") else {"steps": 8}
    small = Small(model, 20, error).eval()
    result = attacks.get(name)(small, x, y, **kind, **short)
    wanted = attacks.get(name)(model, x, y, batch_size=20, **kind, **short)
    assert max(small.sizes) > 20
    assert torch.equal(result.correct, wanted.correct)
    assert torch.allclose(result.x_adv, wanted.x_adv, atol=1e-5)


def test_out_of_memory_with_one_image_is_an_error(robust_model):
    model, x, _, _ = robust_model
    with pytest.raises(RedoubtError, match="out of memory with a single image"):
        predict(Small(model, 0, ERRORS[0]), x[:4], 4)


def test_other_errors_are_not_taken_for_lack_of_memory(robust_model):
    model, x, _, _ = robust_model
    with pytest.raises(RuntimeError, match="of another kind"):
        predict(Small(model, 0, RuntimeError("of another kind")), x[:4], 4)


def test_batched_keeps_order_and_tuples():
    assert torch.equal(batched(lambda s: torch.arange(s.start, s.stop), 7, 3), torch.arange(7))
    a, b = batched(lambda s: (torch.arange(s.start, s.stop), torch.ones(s.stop - s.start)), 7, 3)
    assert torch.equal(a, torch.arange(7))
    assert b.shape == (7,)


def test_verdicts_are_float32_under_autocast(robust_model):
    model, x, _, _ = robust_model
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert predict(model, x, 512).dtype == torch.float32
        assert torch.equal(predict(model, x, 512), predict(model, x, 512))


@pytest.mark.parametrize(
    ("change", "norm"),
    [
        (lambda x: x + 0.11, "linf"),
        (lambda x: x + 0.11 / 8, "l2"),
        (lambda x: x - 1, None),
        (lambda x: x * torch.nan, "linf"),
    ],
    ids=["linf", "l2", "box", "nan"],
)
def test_a_point_outside_its_ball_is_refused(change, norm):
    x = torch.full((2, 1, 8, 8), 0.5)
    with pytest.raises(RedoubtError, match="left what it may change"):
        check_within(change(x), x, 0.1, norm)


def test_a_point_on_the_edge_is_accepted():
    x = torch.rand(4, 1, 8, 8)
    check_within((x + 0.1).clamp(0, 1), x, 0.1, "linf")
    check_within(x.clone(), x, 0.0, "l2")
    check_within(torch.zeros_like(x), x, 0.1, None)


def test_correct_is_a_fresh_prediction_of_the_final_points(robust_model):
    model, x, y, eps = robust_model
    result = attacks.get("pgd")(model, x, y, eps=eps)
    assert torch.equal(result.correct, model(result.x_adv).argmax(1) == y)
    counted = Counted(model)
    assert finish(counted, x, x, y, eps, "linf", 64).forward == len(x)
