"""Intervals, paired comparisons and spread over seeds; statsmodels and scipy do the arithmetic."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True)
class Interval:
    """A share in [0, 1] with a confidence interval around it."""

    value: float
    low: float
    high: float

    def percent(self) -> "Interval":
        """The same in percent."""
        return Interval(100 * self.value, 100 * self.low, 100 * self.high)

    def text(self, shape: str = "{:.1f}") -> str:
        """`59.0 [54.6, 63.2]`: the share in percent and its interval.

        Args:
            shape: format of one number.
        """
        value, low, high = (shape.format(100 * v) for v in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


@functools.cache  # tables and pages ask for the same counts again and again
def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval (Wilson 1927) of a share, as scipy's `binomtest` has it; n = 0 gives NaN.

    Raises:
        ValueError: `correct` is not in 0..n.
    """
    if n == 0:
        return Interval(*[float("nan")] * 3)
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} cannot be correct")
    k, n = int(correct), int(n)
    p, z = k / n, float(ndtri(0.5 + 0.5 * confidence))
    width = 2 * (n + z**2)
    center, delta = (2 * n * p + z**2) / width, z / width * math.sqrt(4 * n * p * (1 - p) + z**2)
    return Interval(p, 0.0 if k == 0 else center - delta, 1.0 if k == n else center + delta)


def nrr(clean: float, robust: float) -> float:
    """Natural-robustness ratio 2 clean robust / (clean + robust): CURE, Gowda et al. 2024, equation 9.

    Args:
        clean, robust: accuracies in the same unit, shares or percent; the result has that unit, 0 where both are 0.

    Raises:
        ValueError: a negative accuracy.
    """
    if min(clean, robust) < 0:
        raise ValueError("accuracies are not negative")
    return 2 * clean * robust / (clean + robust) if clean + robust else 0.0


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Exact two-sided p-value that two defenses are equally often right on the same images (McNemar 1947).

    Args:
        a, b: (n,) bool, correct on each image. 1.0 where they never disagree.
    """
    from scipy.stats import binomtest  # most of a second to load, for commands that do not test anything

    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return 1.0 if only_a + only_b == 0 else float(binomtest(only_a, only_a + only_b).pvalue)


SEED, DRAWS = 0, 2000  # of every bootstrap behind a table, a page or a verdict


def accuracy(correct: np.ndarray) -> Interval:
    """Accuracy with a 95 % percentile bootstrap over images and seeds; at 0 and at 1 it has no width.

    Args:
        correct: (n,) or (seeds, n) bool.
    """
    return paired_statistic(lambda share: share, correct)


def paired_difference(a: np.ndarray, b: np.ndarray, seed: int = SEED, draws: int = DRAWS) -> Interval:
    """Accuracy of a minus accuracy of b on the same images, with a 95 % percentile bootstrap over images.

    Args:
        a, b: (n,) or (seeds, n) bool; with seeds, both axes are resampled.
    """
    return paired_statistic(lambda left, right: left - right, a, b, seed=seed, draws=draws)


def paired_statistic(
    statistic: Callable[..., float], *correct: np.ndarray, seed: int = SEED, draws: int = DRAWS
) -> Interval:
    """A statistic of several accuracies on the same images and seeds, with a 95 % percentile bootstrap over both.

    Args:
        statistic: of one accuracy for each array, shares in [0, 1].
        correct: (n,) or (seeds, n) bool, all of one shape; each draw takes the same images and seeds from all of them.
    """
    bits = np.stack([np.atleast_2d(np.asarray(c, float)) for c in correct])
    _, s, n = bits.shape
    resampled: list[float] = []
    for seeds, images in zip(*_drawn(s, n, seed, draws), strict=True):
        # Whole numbers: exact in any order.
        counts = (bits @ images.T.astype(float) * seeds.T).sum(1)
        resampled += [float(statistic(*shares)) for shares in (counts / (s * n)).T]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(statistic(*bits.mean((1, 2)))), float(low), float(high))


@functools.lru_cache(maxsize=8)  # one size of test set asks for the same draws thousands of times
def _drawn(seeds: int, images: int, seed: int, draws: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """How often each draw takes each seed, (draws, seeds), and each image, (draws, images), in parts of 100 draws."""
    rng = np.random.default_rng(seed)
    taken = [
        [np.bincount(rng.integers(0, k, k), minlength=k).astype(np.uint16) for k in (seeds, images)]
        for _ in range(draws)
    ]
    parts = range(0, draws, 100)  # all at once would not fit for 10,000 images
    s, n = ([np.stack([t[side] for t in taken[i : i + 100]]) for i in parts] for side in (0, 1))
    return s, n


def paired_means(a: np.ndarray, b: np.ndarray | float) -> Interval:
    """Mean of a - b with Student's 95 % interval over runs; a single run gives NaN bounds.

    Args:
        a, b: (runs,) one value a run, in the same order; b may be a number.
    """
    from scipy.stats import t

    difference = np.asarray(a, float) - b
    runs, mean = len(difference), float(np.mean(difference))
    if runs < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = t.ppf(0.975, runs - 1) * difference.std(ddof=1) / runs**0.5
    return Interval(mean, float(mean - half), float(mean + half))
