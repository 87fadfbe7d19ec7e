"""Intervals against published values and theory."""

import numpy as np
import pytest
from scipy.stats import binomtest

from redoubt.statistics import intervals


def test_wilson_against_published_values():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    ci = intervals.wilson(81, 263)
    assert (round(ci.low, 4), round(ci.high, 4)) == (0.2553, 0.3662)
    ci = intervals.wilson(0, 20)
    assert (ci.low, round(ci.high, 4)) == (0, 0.1611)


def test_wilson_is_scipys_to_the_last_bit():
    for n in (1, 2, 7, 60, 300, 1000):
        for k in {*range(0, n + 1, 1 + n // 50), n}:
            theirs, ours = binomtest(k, n).proportion_ci(method="wilson"), intervals.wilson(k, n)
            assert (ours.low, ours.high) == (theirs.low, theirs.high)
    for k in (-1, 8):
        with pytest.raises(ValueError, match="of 7"):
            intervals.wilson(k, 7)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (3, 300)])
@pytest.mark.parametrize("k", [1, 4])
def test_the_bootstrap_is_that_of_resampled_copies_to_the_last_bit(shape, k):
    rng = np.random.default_rng(1)
    correct = [rng.random(shape) < share for share in rng.random(k)]
    statistic = lambda *a: intervals.nrr(a[0], a[-1])
    draws, again, (s, n) = [], np.random.default_rng(5), shape
    for _ in range(200):
        seeds, images = again.integers(0, s, s), again.integers(0, n, n)
        draws.append(statistic(*(c[seeds][:, images].astype(float).mean() for c in correct)))
    found = intervals.paired_statistic(statistic, *correct, seed=5, draws=200)
    assert (found.low, found.high) == tuple(np.quantile(draws, [0.025, 0.975]))
    assert found.value == statistic(*(c.astype(float).mean() for c in correct))


def test_mcnemar_by_hand():
    a, b = np.array([1, 1, 1, 1, 0, 0], bool), np.array([0, 0, 0, 1, 1, 0], bool)
    assert intervals.mcnemar(a, b) == pytest.approx(2 * (1 + 4) / 16)
    assert intervals.mcnemar(a, a) == 1


def test_paired_difference_has_the_width_that_theory_gives_and_repeats():
    rng = np.random.default_rng(0)
    a, b = rng.random(2000) < 0.7, rng.random(2000) < 0.6
    d = intervals.paired_difference(a, b)
    assert d.value == pytest.approx(a.mean() - b.mean())
    error = (a.astype(float) - b).std() / 2000**0.5
    assert d.high - d.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert d == intervals.paired_difference(a, b)


def test_disagreeing_seeds_widen_the_interval():
    a, b = np.stack([np.ones(400), np.zeros(400)]) > 0, np.zeros((2, 400)) > 0
    d = intervals.paired_difference(a, b)
    assert (d.low, d.value, d.high) == (0, 0.5, 1)
