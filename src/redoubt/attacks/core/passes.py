"""A model's passes, counted, in pieces and in the memory layout that suit the machine.

How many examples go through the model at once has nothing to do with how many share a random draw: an attack
keeps the reference's batches, and the model sees pieces that fit a cache, or fill a GPU.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import cast

import torch
from torch import Tensor, nn

from redoubt.attacks.core.checked_input import Model, check_logits
from redoubt.attacks.core.engine import Counted, T, answer, batched, slope

# Pixels of a piece. On a CPU the activations of such a piece stay in a cache; on a GPU it is what fills the card
# without filling its memory. Measured on one thread of an AMD EPYC 9005 on 32x32 images, against 256 at once: in
# pieces of 64 a PreActResNet-18 of width 16 and a WRN-10-2 run 1.6 to 1.75 times faster forward and 1.35 to 1.4 times
# forward and backward, in pieces of 16 1.3 to 1.5 and 1.2 to 1.35 times. Channels-last is in all of these figures.
PIECE_PIXELS = {"cpu": 64 * 32 * 32, "cuda": 1024 * 32 * 32}
# A CNN of width 16 on 162 images of 16x16 runs 2.0 and 1.7 times faster in pieces of 64 than at once, one on 8x8
# images fastest in pieces of 256.
SMALL_PIECE_PIXELS = 64 * 16 * 16  # on a CPU, of images below `SMALL`
SMALL = 32 * 32
SMALLEST_PIECE = 8
# On 8x8 images plain arrays were faster (forward 0.65 against 0.94 ms for 250).
CHANNELS_LAST_FROM = 16 * 16
PROBED = 2  # images on which the layouts are compared

Loss = Callable[..., Tensor]


def _channels_last(x: Tensor) -> Tensor:
    _, c, h, w = x.shape
    if c == 1 and x.is_contiguous():
        # One channel: both layouts hold the same bytes, and only these strides say which one is meant.
        return x.as_strided(x.shape, (h * w, 1, w, 1))
    return x.contiguous(memory_format=torch.channels_last)


class Passes(Counted):
    """A frozen model whose passes run in pieces.

    Args:
        model: a callable from (N, C, H, W) to logits (N, K).
        x: the images of the run, for their shape and device.
        piece: examples that go through the model at once; default by `PIECE_PIXELS`. Reduced for good where the
            device runs out of memory.
    """

    def __init__(self, model: Model, x: Tensor, piece: int | None = None):
        super().__init__(model)
        image = x.shape[2] * x.shape[3]
        pixels = PIECE_PIXELS["cuda" if x.is_cuda else "cpu"]
        if not x.is_cuda and image < SMALL:
            pixels = SMALL_PIECE_PIXELS
        self.piece = piece or max(SMALLEST_PIECE, pixels // image)
        self.channels_last = False
        self.without_gradients: Callable[[], AbstractContextManager] = torch.inference_mode

    def clean(self, x: Tensor) -> Tensor:
        """(N, K) logits of the images themselves: the one pass on them, which also learns what the model stands.

        Inference mode gives way to `no_grad` where the model cannot run in it (a purifier that differentiates).
        Channels-last is kept where a model with convolutions gives the same logits in it (one more call, on
        `PROBED` images); a model that views its activations flat, or draws at random, stays with plain arrays.

        Raises:
            RedoubtError: see `checked_input.check_logits`.
        """
        try:
            logits = self(x).clone()
        except RuntimeError:
            # Whatever else may be wrong comes up again.
            self.without_gradients = torch.no_grad
            logits = self(x)
        check_logits(logits)
        if x.shape[2] * x.shape[3] >= CHANNELS_LAST_FROM:
            self.channels_last = self._stands_channels_last(x[:PROBED], logits[:PROBED])
        return logits

    def _stands_channels_last(self, x: Tensor, logits: Tensor) -> bool:
        modules = self.model.modules() if isinstance(self.model, nn.Module) else ()
        if not any(isinstance(m, nn.Conv2d) for m in modules):
            return False
        self.channels_last = True
        try:
            return torch.allclose(self(x), logits, rtol=1e-3, atol=1e-3)
        except RuntimeError:
            return False

    def __call__(self, x: Tensor) -> Tensor:
        """(N, K) logits, without gradients."""

        def work(piece: Tensor) -> Tensor:
            with self.without_gradients():
                return self.model(piece)

        return self._in_pieces(work, 0, x)

    def value(self, loss: Loss, x: Tensor, *labels: Tensor, draws: int = 1) -> tuple[Tensor, Tensor]:
        """(loss (N,), logits (N, K)): the loss is averaged over `draws` passes, the logits are the last one's."""
        total: Tensor | int = 0
        for _ in range(draws):
            logits = self(x)
            total = total + loss(logits, *labels)
        return cast(Tensor, total) / draws, logits

    def gradient(
        self, loss: Loss, x: Tensor, *labels: Tensor, draws: int = 1
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One forward and one backward pass, or `draws` of them, averaged (EOT).

        Args:
            loss: (logits, *labels) -> per-example loss (N,).
            x: (N, C, H, W).
            labels: what the loss needs of each example, first dimension N.

        Returns:
            (loss (N,), its gradient with respect to x, logits (N, K) of the last draw), all detached.
        """

        def work(piece: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            piece = piece.detach().requires_grad_()
            with torch.enable_grad():
                logits = answer(self.model, piece)
                each = loss(logits, *labels)
                gradient = slope(each.sum(), piece)
            return each.detach(), gradient.contiguous(), logits.detach()

        value, gradient, logits = self._in_pieces(work, 1, x, *labels)
        for _ in range(draws - 1):
            more, other, logits = self._in_pieces(work, 1, x, *labels)
            value, gradient = value + more, gradient + other
        return (value, gradient, logits) if draws == 1 else (value / draws, gradient / draws, logits)

    def jacobian(self, x: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
        """Every logit minus the true one (N, K), and their gradients (N, K, C, H, W): K backward passes."""

        def work(piece: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            piece = piece.detach().requires_grad_()
            with torch.enable_grad():
                logits = answer(self.model, piece)
                gaps = logits - logits.gather(1, y[:, None])
                sums = gaps.sum(0).unbind()
            slopes = [slope(each, piece, retain_graph=True) for each in sums]
            return gaps.detach(), torch.stack(slopes, 1)

        return self._in_pieces(work, classes, x, y)

    def _in_pieces(self, work: Callable[..., T], backward: int, *rows: Tensor) -> T:
        """`work` on equal pieces: a small last piece would cost as much as a full one."""
        n = len(rows[0])
        size = -(-n // max(1, -(-n // self.piece)))
        done = []

        def piece(which: slice) -> T:
            x, *labels = (r[which] for r in rows)
            found = work(_channels_last(x) if self.channels_last else x, *labels)
            done.append(len(x))
            return found

        found = batched(piece, n, size)
        if len(done) > -(-n // size):
            self.piece = min(done[:-1])
        self.forward += n
        self.backward += backward * n
        self.forward_calls += len(done)
        self.backward_calls += backward * len(done)
        return found
