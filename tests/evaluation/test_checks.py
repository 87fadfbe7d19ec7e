"""Each check on records made by hand: one that passes, one that fails, one that has nothing to say."""

import numpy as np
import pytest

from redoubt.evaluation import checks
from redoubt.records.packed_booleans import pack


def entry(attack, standing, name=None, eps=0.1, n=100, **more):
    """An evaluation in which the first `standing` of n images, or those of a mask, stand."""
    bits = np.arange(n) < standing if np.isscalar(standing) else np.asarray(standing)
    return {
        "name": name or attack,
        "attack": attack,
        "checkpoint": "best",
        "view": "deployed",
        "surrogate": None,
        "norm": "linf",
        "eps": eps,
        "params": {},
        "n": n,
        "correct_count": int(bits.sum()),
        "correct": pack(bits),
        "max_perturbation": eps,
        "info": {},
        "role": "main",
        **more,
    }


def names(found):
    return [c["name"] for c in found]


def test_a_sound_record_passes_every_check():
    record = [
        entry("none", 95, eps=0.0),
        entry("fgsm", 70),
        entry("pgd", 60, "pgd20", params={"steps": 20}),
        entry("pgd", 59, "pgd100", params={"steps": 100}),
        entry("pgd", 30, "pgd20_wide", params={"steps": 20}, eps=0.2),
        entry("pgd", 5, "pgd20_half", params={"steps": 20}, eps=0.5),
        entry("square", 65),
    ]
    found = checks.from_evaluations(record, num_classes=10)
    assert names(found) == [
        "iterative_at_least_one_step",
        "more_effort_changes_little",
        "success_grows_with_eps",
        "large_eps_breaks_all",
        "black_box_not_stronger",
        "perturbation_within_bound",
    ]
    assert all(c["passed"] for c in found)
    assert all(set(c) == {"name", "value", "limit", "passed", "why"} for c in found)
    assert [type(c["passed"]) for c in found] == [bool] * len(found)


def test_a_record_of_nothing_has_nothing_to_check():
    assert checks.from_evaluations([entry("none", 90, eps=0.0)], 10) == []


def test_one_step_that_breaks_more_than_many_is_flagged():
    found = checks.iterative_at_least_one_step([entry("fgsm", 50), entry("pgd", 60)])
    assert not found["passed"]
    assert found["value"] == pytest.approx(0.1)
    assert "pgd" in found["why"]
    assert "fgsm" in found["why"]
    # What a transferred step breaks says nothing about this model's gradient.
    assert checks.iterative_at_least_one_step([entry("fgsm", 50, surrogate="a/b"), entry("pgd", 60)]) is None
    # Another checkpoint or radius is another target.
    assert (
        checks.iterative_at_least_one_step([entry("fgsm", 50, checkpoint="last"), entry("pgd", 60)]) is None
    )
    assert checks.iterative_at_least_one_step([entry("fgsm", 50, eps=0.2), entry("pgd", 60)]) is None


def test_attacks_on_fewer_images_are_compared_on_those():
    few = entry("autoattack", 8, n=10)
    found = checks.iterative_at_least_one_step([entry("fgsm", 20), few])
    assert found["passed"]
    assert "10 images" in found["why"]


def test_an_attack_that_has_not_converged_is_flagged():
    short, long = entry("pgd", 60, "a", params={"steps": 10}), entry("pgd", 50, "b", params={"steps": 100})
    assert not checks.more_effort_changes_little([short, long])["passed"]
    assert checks.more_effort_changes_little([short, entry("pgd", 59, "c", params={"steps": 100})])["passed"]
    other = entry("pgd", 50, "b", params={"steps": 100, "loss": "margin"})
    assert checks.more_effort_changes_little([short, other]) is None
    assert checks.more_effort_changes_little([{**short, "role": "diagnostic"}, long]) is None
    sized = entry("pgd", 50, "b", params={"steps": 100, "step_size": 0.01})
    assert not checks.more_effort_changes_little([short, sized])["passed"], (
        "a step's size belongs to their number"
    )


def test_a_larger_ball_that_is_harder_is_flagged():
    sweep = [entry("pgd", 60, "small"), entry("pgd", 66, "large", eps=0.2)]
    found = checks.success_grows_with_eps(sweep)
    assert not found["passed"]
    assert found["value"] == pytest.approx(0.06)
    assert checks.success_grows_with_eps([sweep[0], entry("pgd", 40, "large", eps=0.2)])["passed"]
    assert checks.success_grows_with_eps([sweep[0], entry("fgsm", 66, eps=0.2)]) is None


def test_a_ball_without_end_that_breaks_nothing_is_flagged():
    assert not checks.large_eps_breaks_all([entry("pgd", 40, eps=0.5)], 10)["passed"]
    assert checks.large_eps_breaks_all([entry("pgd", 10, eps=0.5)], 10)["passed"]
    assert checks.large_eps_breaks_all([entry("fgsm", 40, eps=0.5), entry("pgd", 40)], 10) is None


def test_images_that_only_a_black_box_breaks_are_flagged():
    white = np.arange(100) < 60
    black = np.arange(100) % 2 == 0
    found = checks.black_box_not_stronger([entry("pgd", white), entry("square", black)])
    assert not found["passed"]
    assert found["value"] == pytest.approx(0.3), "30 of the first 60 are broken by Square alone"
    assert checks.black_box_not_stronger([entry("pgd", white), entry("square", 90)])["passed"]
    moved = entry("pgd", black, "moved", surrogate="standard/main")
    assert not checks.black_box_not_stronger([entry("pgd", white), moved])["passed"]


def test_square_inside_autoattack_is_judged_by_who_stood_before_it():
    stages = [
        {"name": n, "bits": pack(np.arange(100) < left)}
        for n, left in (("clean", 90), ("fab_t", 60), ("square", 40))
    ]
    suite = entry("autoattack", 40, info={"stages": stages})
    found = checks.black_box_not_stronger([suite])
    assert found["value"] == pytest.approx(0.2)
    assert not found["passed"]
    stages[1]["bits"] = pack(np.arange(100) < 40)
    assert checks.black_box_not_stronger([suite])["passed"]


def test_a_random_model_without_averages_is_flagged():
    lucky = entry("pgd", 60, info={"random": {"draws": 10}})
    assert not checks.random_model_needs_eot([lucky])["passed"]
    averaged = entry("pgd", 50, "eot", params={"eot": 20}, info=lucky["info"])
    assert checks.random_model_needs_eot([lucky, averaged])["passed"]
    assert not checks.random_model_needs_eot([lucky, {**averaged, "role": "diagnostic"}])["passed"]
    rand = entry("autoattack", 50, params={"version": "rand"}, info={"predictions": {"count": 20}})
    assert checks.random_model_needs_eot([rand])["passed"]
    assert checks.random_model_needs_eot([entry("pgd", 50)]) is None
    assert not checks.random_model_needs_eot([entry("pgd", 50)], random=True)["passed"]


def test_a_perturbation_beyond_its_ball_is_flagged():
    out = entry("pgd", 50, "out", max_perturbation=0.1001)
    found = checks.perturbation_within_bound([entry("fgsm", 60), out])
    assert not found["passed"]
    assert "out" in found["why"]
    assert checks.perturbation_within_bound([entry("stadv", 10, max_perturbation=0.9)]) is None
    assert checks.perturbation_within_bound([entry("pgd", 50, max_perturbation=0.1 + 1e-8)])["passed"]


def test_a_part_without_effect_is_flagged():
    defended, bare = [entry("pgd", 60)], [entry("pgd", 5)]
    assert checks.ablated_part_breaks(bare, defended)["passed"]
    assert not checks.ablated_part_breaks(defended, defended)["passed"]
    assert checks.ablated_part_breaks([entry("fgsm", 5)], defended) is None, "no shared attack"
    assert checks.ablated_part_breaks([entry("pgd", 0)], [entry("pgd", 0)])["passed"], (
        "the attack is no weak one"
    )


def test_only_main_attacks_are_asked_whether_many_steps_break_more_than_one():
    one, many = entry("fgsm", 20), entry("pgd", 60)
    assert not checks.iterative_at_least_one_step([one, many])["passed"]
    aside = [{**e, "role": "diagnostic", "view": "oblivious"} for e in (one, many)]
    assert checks.iterative_at_least_one_step(aside) is None


def test_reading_a_record_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, redoubt.evaluation.checks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_inverse_attack_may_raise_the_accuracy_with_its_radius():
    rows = [
        {
            "name": f"inverse@{eps}",
            "attack": "inverse",
            "checkpoint": "best",
            "norm": "linf",
            "eps": eps,
            "params": {},
            "n": 4,
            "correct": pack(np.array(bits, bool)),
        }
        for eps, bits in ((0.1, [1, 1, 0, 0]), (0.2, [1, 1, 1, 1]))
    ]
    assert checks.success_grows_with_eps(rows) is None
