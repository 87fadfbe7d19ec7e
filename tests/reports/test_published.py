"""The table and the figure of published weights, on a record made by hand."""

import json

import numpy as np
import pytest

from redoubt.records.files import write_record
from redoubt.reports import published
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.validity import above_the_truth
from tests.evaluation.test_checks import entry

BOUND = {"robust": 60.0, "images": 100, "by": "a verifier", "source": "tests"}


def record(proven=BOUND, attacked=None):
    more = {"surrogate": None, "seconds": 1.0}
    rows = [
        entry("none", 95, "clean", eps=0.0, n=200, **more),
        entry("fgsm", 80, n=200, **more),
        entry("autoattack", np.arange(100) >= 30, **more),
        entry("square", 20, n=20, role="diagnostic", **more),
        entry("pgd", 0, "wide", eps=0.5, role="diagnostic", **more),
    ]
    return {
        "run": {"study": "small", "defense": "external", "variant": "theirs", "seed": 0},
        "evaluations": rows, "checks": [], "training_seconds": 0.0, "data": {"n": 200},
        "threat": {"norm": "linf", "eps": 0.1}, "published": {"proven": proven, "attacked": attacked},
    }  # fmt: skip


def test_every_attack_in_the_ball_and_all_together_on_the_published_images():
    found = {a.name: (a.robust, a.n, a.whole) for a in published.attacked(record())}
    assert found == {
        "clean": (95.0, 100, True),
        "fgsm": (80.0, 100, True),
        "autoattack": (70.0, 100, True),
        "square": (100.0, 20, False),
        "worst": (50.0, 100, True),
    }


def test_the_worst_case_is_of_the_images_that_every_main_attack_saw():
    bound = {**BOUND, "images": 200}
    worst = published.attacked(record(bound))[-1]
    assert (worst.robust, worst.n, worst.whole) == (50.0, 100, False)


@pytest.fixture
def evidence(tmp_path):
    path = tmp_path / "results/small/external/theirs/seed0.json"
    path.parent.mkdir(parents=True)
    write_record(path, record(attacked={**BOUND, "robust": 65.0, "by": "an attack"}))
    return Evidence(tmp_path, "small", {"external/theirs": {"seeds": [0], "params": {}}}), path


def test_the_table_says_how_far_above_the_proof_all_attacks_stop(evidence):
    (row,) = published.table([evidence[1]]).to_dict("records")
    assert row["proven"] == "60 (a verifier, n 100)"
    assert row["published attack"] == "65 (an attack, n 100)"
    assert (row["AutoAttack"], row["worst"], row["above the proof"]) == ("70.00", "50.00", "-10.0")


def test_the_figure_names_the_gap_of_each_attack_on_the_same_images(evidence):
    picture = above_the_truth(evidence[0])
    (axes,) = picture.figure.axes
    assert [t.get_text() for t in axes.texts] == ["+35.0", "+20.0", "+10.0", "-10.0"]
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "natural",
        "FGSM",
        "AutoAttack",
        "Square",
        "worst case",
    ]
    assert [round(line.get_xdata()[0]) for line in axes.lines[:2]] == [60, 65]
    assert "FGSM stops highest, +20.0 points" in picture.found


def test_other_records_give_no_row(tmp_path, evidence):
    plain = {k: v for k, v in record().items() if k != "published"}
    assert json.dumps(plain)
    path = tmp_path / "results/small/external/plain/seed0.json"
    path.parent.mkdir(parents=True)
    plain["run"] = {**plain["run"], "variant": "plain"}
    write_record(path, plain)
    assert len(published.table([path])) == 0
