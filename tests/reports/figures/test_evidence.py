"""What captions say stands behind a picture, on the recorded study."""

import pytest

from redoubt.reports.figures.evidence import Evidence
from tests.conftest import REPO


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["uiat/natural_kl"], "n = 1000 test images, 1 training seed"),
        (["pgd_at/main"], "n = 1000 test images (worst case: 500), 1 training seed"),
        (["pgd_at/main", "atop/main"], "n = 1000 test images (worst case: 256 to 500), 1 training seed"),
    ],
)
def test_a_worst_case_of_fewer_images_says_so(runs, said):
    evidence = Evidence(REPO, "cifar10_small", {run: {"seeds": [0]} for run in runs})
    assert evidence.behind(runs) == f"study cifar10_small, {said}"


def test_variants_of_several_seeds():
    seeds = {"pgd_at/main": [0, 1, 2], "uiat/iat": [0]}
    evidence = Evidence(REPO, "digits_ablations", {run: {"seeds": found} for run, found in seeds.items()})
    assert evidence.seeds([*seeds]) == "1 to 3 training seeds"
    assert evidence.seeds(["pgd_at/main"]) == "3 training seeds"
