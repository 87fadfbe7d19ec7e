"""A stated number against ours, by hand."""

import numpy as np
import pytest

from redoubt.errors import RedoubtError
from redoubt.judging import verdicts
from redoubt.records.packed_booleans import pack


def rows(correct, n=1000):
    bits = np.arange(n) < correct
    return [{"name": "aa", "attack": "autoattack", "n": n, "correct": pack(bits)}]


def judged(text, correct, failed=()):
    (found,) = verdicts.judge(verdicts.read([text]), rows(correct), (correct - 10, 1000), list(failed))
    return found


@pytest.mark.parametrize(
    ("text", "correct", "verdict"),
    [
        ("56.3:aa", 563, "reproduced"),
        ("56.3:autoattack", 550, "reproduced"),  # 51.9 to 58.1
        ("56.3:aa", 500, "lower"),
        ("56.3:aa", 620, "higher"),
        ("55:worst", 563, "reproduced"),
        ("100:aa", 1000, "reproduced"),
    ],
)
def test_verdicts(text, correct, verdict):
    assert judged(text, correct)["verdict"] == verdict


def test_a_failed_check_takes_the_place_of_a_verdict():
    found = judged("56.3:aa", 563, ["probe_useless_gradients"])
    assert found["verdict"] == "flagged"
    assert "without the flag: reproduced" in found["why"]
    assert "probe_useless_gradients" in found["why"]


def test_the_last_digit_is_the_tolerance():
    assert [s.tolerance for s in verdicts.read(["56:aa", "56.3:aa", "56.30:aa"])] == [0.5, 0.05, 0.005]


@pytest.mark.parametrize("text", ["56.3", "56.3:", "x:aa", "-1:aa", "101:aa"])
def test_what_is_no_stated_number(text):
    with pytest.raises(RedoubtError, match="a percentage"):
        verdicts.read([text])


def test_an_attack_that_is_not_faced_is_refused_before():
    with pytest.raises(RedoubtError, match=r"did you mean: autoattack"):
        verdicts.check_names(verdicts.read(["56.3:autoatack"]), {"clean": "none", "autoattack": "autoattack"})
