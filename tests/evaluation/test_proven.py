"""What is proven against what is reported, on records made by hand."""

import numpy as np
import pytest

from redoubt.evaluation.proven import below_what_is_proven, least
from tests.evaluation.test_checks import entry

THREAT = {"norm": "linf", "eps": 0.1}
PROVEN = {"robust": 60.0, "images": 100, "by": "a verifier"}


def verdict(*record, proven=PROVEN):
    return below_what_is_proven(list(record), proven, THREAT)


def test_a_number_above_the_proof_passes_and_one_below_fails():
    assert verdict(entry("pgd", 61))["passed"]
    assert verdict(entry("pgd", 60))["value"] == 0
    found = verdict(entry("pgd", 59))
    assert (found["passed"], found["value"], found["limit"]) == (False, 1.0, 0)


def test_attacks_together_may_not_report_less_either():
    first, second = np.arange(100) >= 30, np.arange(100) < 80
    assert verdict(entry("pgd", first))["passed"]
    assert not verdict(entry("pgd", first), entry("square", second))["passed"]


def test_fewer_images_break_it_once_more_fall_than_are_unproven():
    assert verdict(entry("pgd", 10, n=50))["passed"]
    assert not verdict(entry("pgd", 9, n=50))["passed"]


def test_only_the_images_of_the_proof_count():
    assert verdict(entry("pgd", np.arange(1000) < 60, n=1000))["passed"]
    assert not verdict(entry("pgd", np.arange(1000) >= 100, n=1000))["passed"]


@pytest.mark.parametrize(
    "outside", [{"eps": 0.2}, {"norm": "l2"}, {"attack": "stadv"}, {"attack": "corruption"}]
)
def test_what_leaves_the_ball_is_no_evidence(outside):
    assert verdict({**entry("pgd", 0), **outside})["passed"]


def test_a_smaller_ball_and_the_natural_prediction_are_evidence():
    assert not verdict(entry("pgd", 0, eps=0.05))["passed"]
    assert not verdict(entry("none", 0, eps=0.0, norm="l2"))["passed"]


def test_without_a_proof_there_is_nothing_to_check():
    assert verdict(entry("pgd", 0), proven=None) is None


@pytest.mark.parametrize(
    ("robust", "images", "count"),
    [(67.6, 1000, 676), (76.0, 200, 152), (48.5, 200, 97), (94.2, 10000, 9415), (0, 9, 0)],
)
def test_a_printed_percentage_stands_for_the_least_count_that_rounds_to_it(robust, images, count):
    assert least({"robust": robust, "images": images}) == count
