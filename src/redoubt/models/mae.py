"""AToP's second purifier: a masked autoencoder (He et al. 2022), trained to denoise too (Wu et al. 2023).

The encoder attends to patches of which something is left, the decoder restores all of them. AToP's own network is
not released; `full` has the widths of those papers' ViT-B. For whole patches it computes what He et al.'s code does
(models_mae.py), with a tanh at the end.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest
from redoubt.models.packing import unpack

EPS = 1e-6  # of layer norms: He et al.'s code, models_mae.py 227
# size: (width, blocks, heads, hidden units per channel) of the encoder, the same of the decoder
SIZES = {
    "full": ((768, 12, 12, 4), (512, 8, 16, 4)),  # MAE's ViT-B/16, also Wu et al.'s
    "medium": ((192, 6, 3, 4), (128, 2, 4, 4)),  # ours, for 32x32 images: ViT-Ti of half the depth
    "small": ((32, 2, 2, 2), (32, 1, 2, 2)),  # ours, for 8x8 and 28x28 images on a CPU
}


class Block(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron."""

    def __init__(self, width: int, heads: int, ratio: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        """(N, T, width); `visible` (N, 1, 1, T) says which tokens may be attended to, None for all."""
        n, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return x + self.mlp(self.norm2(x))


def positions(side: int, width: int) -> Tensor:
    """Fixed sine and cosine positions (side^2, width) of a square grid, columns then rows (He et al., pos_embed.py)."""
    frequencies = 1 / 10_000 ** (torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * frequencies
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows = axis[:, None].expand(side, side, -1)
    columns = axis[None].expand(side, side, -1)
    return torch.cat([columns, rows], dim=2).reshape(side * side, width).float()


class MaskedAutoencoder(nn.Module):
    """
    Args:
        channels, image_size: of the images.
        patch: side of the patches, a divisor of `image_size`.
        encoder, decoder: (width, blocks, heads, hidden units per channel); widths are multiples of 4.
    """

    places: Tensor
    places2: Tensor

    def __init__(
        self,
        channels: int,
        image_size: int,
        patch: int,
        encoder: tuple[int, int, int, int],
        decoder: tuple[int, int, int, int],
    ):
        super().__init__()
        self.patch, self.side = patch, image_size // patch
        (width, blocks, *rest), (width2, blocks2, *rest2) = encoder, decoder
        self.embed = nn.Linear((channels + 1) * patch * patch, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = nn.ModuleList(Block(width, *rest) for _ in range(blocks))
        self.norm, self.bridge = nn.LayerNorm(width, EPS), nn.Linear(width, width2)
        self.unknown = nn.Parameter(torch.zeros(1, 1, width2))
        self.decoder = nn.ModuleList(Block(width2, *rest2) for _ in range(blocks2))
        self.norm2, self.pixels = nn.LayerNorm(width2, EPS), nn.Linear(width2, channels * patch * patch)
        self.register_buffer("places", positions(self.side, width), persistent=False)
        self.register_buffer("places2", positions(self.side, width2), persistent=False)
        nn.init.normal_(self.token, std=0.02)
        nn.init.normal_(self.unknown, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, packed: Tensor) -> tuple[Tensor]:
        """
        Args:
            packed: (N, C + 2, H, W) from `packing.pack`; every image may have its own mask, of any size.

        Returns:
            A tuple of one: the purified image (N, C, H, W) in [-1, 1], known patches regenerated too.
        """
        z, mask = unpack(packed)
        seen = F.unfold(torch.cat([z, mask], dim=1), self.patch, stride=self.patch).transpose(1, 2)
        gone = F.avg_pool2d(mask, self.patch).flatten(1) > 1 - 1e-6  # nothing of the patch is left
        gone = gone.unsqueeze(2)
        x = self.embed(seen) + self.places
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        visible = F.pad(~gone.squeeze(2), (1, 0), value=True)[:, None, None]
        for block in self.encoder:
            x = block(x, visible)
        x = self.bridge(self.norm(x))
        patches = torch.where(gone, self.unknown, x[:, 1:]) + self.places2
        x = torch.cat([x[:, :1], patches], dim=1)
        for block in self.decoder:
            x = block(x, None)
        x = self.pixels(self.norm2(x[:, 1:])).transpose(1, 2)
        return (F.fold(x, z.shape[-2:], self.patch, stride=self.patch).tanh(),)


def mae(*, channels: int, image_size: int, size: str = "auto", patch: int | None = None) -> MaskedAutoencoder:
    """The masked autoencoder for images of one size.

    Args:
        size: see `SIZES`; `auto` is small below 32 pixels, medium below 128, else full.
        patch: side of the patches. Default 16 for `full`, else the largest divisor of `image_size` that gives a grid
            of at least 7x7: 1 at 8 pixels, 4 at 28 and 32. A patch is hidden from the encoder where all of it is
            missing, so masks need not follow the grid.

    Raises:
        RedoubtError: an unknown size, or a patch that does not divide the image.
    """
    if size == "auto":
        size = "small" if image_size < 32 else "medium" if image_size < 128 else "full"
    if size not in SIZES:
        allowed = ["auto", *SIZES]
        raise RedoubtError(
            "unknown size of the masked autoencoder",
            key="size",
            value=size,
            allowed=allowed,
            nearest=nearest(size, allowed),
        )
    divisors = [d for d in range(1, image_size + 1) if image_size % d == 0]
    if patch is None:
        patch = 16 if size == "full" else max(d for d in divisors if d <= max(1, image_size // 7))
    if patch not in divisors:
        raise RedoubtError(
            "the patches do not tile the image", key="patch", value=patch, allowed=list(map(str, divisors))
        )
    return MaskedAutoencoder(channels, image_size, patch, *SIZES[size])
