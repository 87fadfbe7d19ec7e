"""Batch norms as scales and shifts: the same model, and untouched afterwards."""

import pytest
import torch
from torch import nn

from redoubt.attacks.core.affine_batch_norm import affine_norms


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_same_outputs_and_gradients(affine, layout):
    g = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(5, affine=affine).eval()
    norm.running_mean.normal_(generator=g)
    norm.running_var.uniform_(0.1, 3, generator=g)
    if affine:
        nn.init.normal_(norm.weight, generator=g)
        nn.init.normal_(norm.bias, generator=g)
    x = torch.randn(4, 5, 6, 6, generator=g).to(memory_format=layout).requires_grad_()
    want = norm(x)
    with affine_norms(norm):
        found = norm(x)
        assert "BatchNorm" not in type(found.grad_fn).__name__
    torch.testing.assert_close(found, want, atol=1e-6, rtol=1e-6)
    slopes = [torch.autograd.grad((v**2).sum(), x)[0] for v in (found, want)]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-5)


def test_the_model_is_as_before():
    norm = nn.BatchNorm2d(3).eval()
    with pytest.raises(RuntimeError), affine_norms(norm):
        norm(torch.zeros(1, 4, 2, 2))
    assert "forward" not in vars(norm)
    assert "BatchNorm" in type(norm(torch.zeros(1, 3, 2, 2, requires_grad=True)).grad_fn).__name__


def test_what_is_no_module_or_has_no_statistics_is_left_alone():
    free = nn.BatchNorm2d(3, track_running_stats=False)
    with affine_norms(lambda x: x), affine_norms(free):
        assert "forward" not in vars(free)
