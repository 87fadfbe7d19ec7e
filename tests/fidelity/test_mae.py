"""The masked autoencoder against He et al.'s: AToP's own is not released. Whole patches are hidden here."""

import functools

import torch
import torch.nn.functional as F

from redoubt.models.mae import MaskedAutoencoder, positions
from redoubt.models.packing import pack
from tests.fidelity.golden import golden

GOLD, _ = golden("mae")
same = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
BLOCK = {
    "norm1": "norm1", "attn.qkv": "qkv", "attn.proj": "out", "norm2": "norm2", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.2",
}  # fmt: skip


def of_both(theirs, ours):
    return [(f"{theirs}.{kind}", f"{ours}.{kind}") for kind in ("weight", "bias")]


def names():
    """(their name, our name) of every learned parameter, in the order of the golden numbers."""
    block = lambda theirs, ours: [
        p for a, b in BLOCK.items() for p in of_both(f"{theirs}.{a}", f"{ours}.{b}")
    ]
    return [
        ("cls_token", "token"), ("mask_token", "unknown"), *of_both("patch_embed.proj", "embed"),
        *block("blocks.0", "encoder.0"), *block("blocks.1", "encoder.1"), *of_both("norm", "norm"),
        *of_both("decoder_embed", "bridge"), *block("decoder_blocks.0", "decoder.0"),
        *of_both("decoder_norm", "norm2"), *of_both("decoder_pred", "pixels"),
    ]  # fmt: skip


def seen_pixels(weight):
    """The part of the patch embedding that reads pixels; ours reads the mask too, which is 0 in what is seen."""
    return weight[:, : 3 * 16]


def network():
    made = MaskedAutoencoder(3, 16, 4, (8, 2, 2, 2), (8, 1, 2, 2)).double()
    held, start = dict(made.named_parameters()), 0
    assert len(held) == len(names())
    with torch.no_grad():
        for theirs, ours in names():
            p = seen_pixels(held[ours]) if ours == "embed.weight" else held[ours]
            value = GOLD["codes"][start : start + p.numel()].double() / 6
            start += p.numel()
            if theirs.startswith(
                "decoder_pred"
            ):  # rows are (row, column, channel) there, channels first here
                value = value.view(4, 4, 3, -1).permute(2, 0, 1, 3)
            p.copy_(value.reshape(p.shape))
    return made


def test_positions_of_the_patches():
    torch.testing.assert_close(positions(4, 8).double(), GOLD["positions"], rtol=0, atol=0)  # both in float32


def test_masked_autoencoder_loss_and_gradients():
    g, x = network(), GOLD["images"].double() / 8
    hidden = GOLD["mask"].double().view(2, 1, 4, 4).repeat_interleave(4, -1).repeat_interleave(4, -2)
    (image,) = g(pack(x, hidden))
    same(image.detach()[..., ::2, ::2], GOLD["prediction"])
    loss = F.mse_loss(image, x)
    same(loss.detach(), GOLD["loss"])
    loss.backward()
    held = dict(g.named_parameters())
    gradients = [
        seen_pixels(held[ours].grad) if ours == "embed.weight" else held[ours].grad for _, ours in names()
    ]
    same(torch.stack([p.norm() for p in gradients]), GOLD["gradient_norms"])
