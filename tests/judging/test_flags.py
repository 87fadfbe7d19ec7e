"""Copies of an honest model that mask its gradients are flagged, and it is not."""

import pytest

import redoubt
from redoubt.errors import RedoubtError
from redoubt.judging.judgment import Settings
from tests.judging.conftest import EPS


@pytest.mark.parametrize("factory", ["quantised", "scaled"])
def test_a_masked_copy_is_flagged(own, images, factory):
    report = redoubt.judge(
        getattr(own, factory)(), *images, eps=EPS, suite="screen", claims=["90:worst"], images=40
    )
    assert report.failed
    assert "no number here can be believed" in report.remarks[-1]
    assert report.claims[0]["verdict"] == "flagged"
    assert "flagged" in report.to_html()


def test_the_honest_one_is_not(own, images):
    report = redoubt.judge(own.load(), *images, eps=EPS, suite="screen", claims=["90:worst"], images=40)
    assert report.failed == []
    assert report.claims[0]["verdict"] == "lower"


def test_settings_say_what_is_wrong():
    with pytest.raises(RedoubtError, match="unknown norm"):
        Settings("l1", 0.1, "screen")
