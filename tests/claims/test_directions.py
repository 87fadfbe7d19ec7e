"""Verdicts of directions from synthetic bits: each can be produced, and only by what stands for it."""

from pathlib import Path

import numpy as np
import pytest

from redoubt.claims.evidence import Evidence
from redoubt.statistics import intervals
from tests.claims.conftest import BAD, bits, entry

C, P = "cure/main", "pgd_at/main"


def judge(expect="higher", measure="accuracy", attack="a", right=f"right: {P}", **more):
    extra = "".join(f", {k}: {v}" for k, v in more.items())
    of = f", attack: {attack}" if attack else ""
    return f"judge: [{{left: {C}, {right}, measure: {measure}{of}, expect: {expect}{extra}}}]"


def pair(records, left, right, name="a", **more):
    for seed in (0, 1):
        records.run(C, entry(name, left), seed=seed, **more)
        records.run(P, entry(name, right), seed=seed)


@pytest.mark.parametrize(
    ("left", "right", "expect", "verdict"),
    [
        (0.7, 0.5, "higher", "direction holds"),
        (0.5, 0.7, "higher", "direction fails"),
        (0.5, 0.7, "lower", "direction holds"),
        (0.7, 0.5, "lower", "direction fails"),
        (0.5, 0.5, "higher", "not told apart"),
        (0.5, 0.5, "same", "direction holds"),
        (0.7, 0.5, "same", "direction fails"),
        (0.5, 0.5, "not_lower", "direction holds"),
        (0.5, 0.7, "not_lower", "direction fails"),
        (0.7, 0.5, "not_higher", "direction fails"),
    ],
)
def test_a_flip_of_the_sign_flips_the_direction(records, left, right, expect, verdict):
    pair(records, bits(left), bits(right))
    row = records.one(judge(expect))
    assert row["verdict"] == verdict
    assert row["ours"] == pytest.approx(100 * (left - right))
    low, high = row["interval"]
    assert low <= row["ours"] <= high


def test_same_within_noise_is_not_told_apart(records):
    rng = np.random.default_rng(0)
    pair(records, rng.random(400) < 0.5, rng.random(400) < 0.5)
    assert records.one(judge("same"))["verdict"] == "not told apart"


def test_every_comparison_must_hold_and_each_is_reported(records):
    pair(records, bits(0.7), bits(0.5))
    records.run("trades/main", entry("a", bits(0.9)))
    both = (
        judge()[:-1]
        + ", {left: cure/main, right: trades/main, measure: accuracy, attack: a, expect: higher}]"
    )
    row = records.one(both)
    assert row["verdict"] == "direction fails"
    assert [c["outcome"] for c in row["comparisons"]] == ["direction holds", "direction fails"]
    assert (row["interval"], "+20 points" in row["ours"], "-20 points" in row["ours"]) == (None, True, True)


def test_a_failed_check_flags_and_the_direction_stands_beside_it(records):
    pair(records, bits(0.7), bits(0.5), checks=[BAD])
    row = records.one(judge())
    assert (row["verdict"], row["direction"]) == ("flagged", "direction holds")
    assert "perturbation_within_bound of cure/main/seed0" in row["why"]


def test_a_failed_check_of_a_run_that_is_not_involved_flags_nothing(records):
    pair(records, bits(0.7), bits(0.5))
    records.run("trades/main", entry("a", bits(0.5)), checks=[BAD])
    assert records.one(judge())["verdict"] == "direction holds"


def test_missing_runs_are_not_run_with_what_they_would_cost(records):
    records.run(P, entry("a", bits(0.5)), seconds=10.0)
    row = records.one(judge())
    assert row["verdict"] == "not run"
    assert row["why"] == "toy has no record of cure/main"
    assert "about 36 s for 3 seeds on toy, as pgd_at/main took" in row["cost"]  # 10 s and two attacks of 1 s


def test_an_attack_that_nobody_ran_is_not_run(records):
    pair(records, bits(0.7), bits(0.5))
    row = records.one(judge(attack="b"))
    assert (row["verdict"], "no evaluation b of cure/main" in row["why"]) == ("not run", True)


def test_without_a_seed_in_common_nothing_is_paired(records):
    records.run(C, entry("a", bits(0.7)), seed=0)
    records.run(P, entry("a", bits(0.5)), seed=1)
    assert records.one(judge())["verdict"] == "not run"


def test_each_study_with_all_runs_is_judged(records):
    pair(records, bits(0.7), bits(0.5))
    records.run(C, entry("a", bits(0.5)), study="other")
    records.run(P, entry("a", bits(0.7)), study="other")
    found = {row["study"]: row["verdict"] for row in records.rows(judge())}
    assert found == {"toy": "direction holds", "other": "direction fails"}


def test_an_attack_may_be_named_by_a_share_of_the_radius(records):
    for study, eps, name in (("toy", 8 / 255, "strength@0.01569"), ("other", 0.2, "strength@0.1")):
        records.run(C, entry(name, bits(0.7)), study=study, eps=eps)
        records.run(P, entry(name, bits(0.5)), study=study, eps=eps)
    claim = judge().replace("attack: a,", "attack: strength@0.5eps,")
    found = {row["study"]: row["comparisons"][0]["attack"] for row in records.rows(claim)}
    assert found == {"toy": "strength@0.01569", "other": "strength@0.1"}


def test_the_training_records_of_a_recorded_study_are_evidence():
    result, training = Path("results/s/cure/main/seed0.json"), Path("results/s/cure/main/training/seed0.json")
    evidence = Evidence((result, Path("results/s/cure/main_2/seed0.json")), (training,))
    assert evidence.files("s", ["cure/main"]) == [result.as_posix(), training.as_posix()]


BOTH = (
    f"judge: [{{left: {C}, right: {P}, measure: accuracy, attack: a, expect: higher}}, "
    f"{{left: {C}, right: trades/main, measure: accuracy, attack: a, expect: higher}}]"
)


@pytest.mark.parametrize(("left", "verdict"), [(0.7, "not told apart"), (0.3, "direction fails")])
def test_a_claim_in_part_may_fail_and_never_holds(records, left, verdict):
    pair(records, bits(left), bits(0.5))
    row = records.one(BOTH)
    assert (row["verdict"], len(row["comparisons"])) == (verdict, 1)
    assert row["why"].startswith("of 2 comparisons 1 ")
    assert ", 1 not made here" in row["why"]
    assert row["why"].endswith("seeds in common: 2; toy has no record of trades/main")


def test_a_claim_in_part_is_judged_where_no_study_of_the_data_set_holds_all(records):
    pair(records, bits(0.7), bits(0.5))
    records.run("trades/main", entry("a", bits(0.5)), seed=0)
    for study, data in {"less": "digits", "other": "cifar10"}.items():
        records.run(C, entry("a", bits(0.3)), study=study, data=data)
        records.run(P, entry("a", bits(0.5)), study=study, data=data)
    found = {row["study"]: row["verdict"] for row in records.rows(BOTH)}
    assert found == {"toy": "direction holds", "other": "direction fails"}


def test_measures_against_values_by_hand(records):
    clean = entry("clean", bits(0.8))
    for seed in (0, 1):
        records.run(C, clean, entry("a", bits(0.4)), entry("a_last", bits(0.3)), seed=seed)
        records.run(
            P, entry("clean", bits(0.9)), entry("a", bits(0.1)), entry("a_last", bits(0.1)), seed=seed
        )
    value = {m: records.one(judge(measure=m))["ours"] for m in ("nrr", "gap", "overfitting", "accuracy")}
    assert value["nrr"] == pytest.approx(100 * (2 * 0.8 * 0.4 / 1.2 - 2 * 0.9 * 0.1 / 1.0), abs=1e-3)
    assert value["gap"] == pytest.approx(100 * (0.4 - 0.8))
    assert value["overfitting"] == pytest.approx(100 * (0.1 - 0.0))
    assert value["accuracy"] == pytest.approx(30)


def test_nrr_is_of_the_worst_case_where_no_attack_is_named(records):
    pair(records, bits(0.7), bits(0.5))
    (found,) = records.one(judge(measure="nrr", attack=None))["comparisons"]
    assert (found["attack"], found["outcome"]) == ("worst", "direction holds")


def test_a_number_in_the_place_of_a_run(records):
    records.run(C, entry("a", bits(0.02)))
    assert records.one(judge("lower", right="value: 0.05"))["verdict"] == "direction holds"
    assert records.one(judge("higher", right="value: 0.05"))["verdict"] == "direction fails"


def test_seconds_need_two_runs_for_an_interval(records):
    records.run(C, entry("a", bits(0.5)), seconds=5.0)
    records.run(P, entry("a", bits(0.5)), seconds=10.0)
    row = records.one(judge("lower", "seconds_per_epoch", None))
    assert (row["ours"], row["unit"], row["interval"], row["verdict"]) == (-1.0, "s", None, "not told apart")
    records.run(C, entry("a", bits(0.5)), seconds=5.5, seed=1)
    records.run(P, entry("a", bits(0.5)), seconds=10.6, seed=1)
    assert records.one(judge("lower", "seconds_per_epoch", None))["verdict"] == "direction holds"


def test_training_metrics_are_of_the_last_epoch_and_fluctuation_of_the_second_half(records):
    pair(records, bits(0.5), bits(0.5))
    for seed in (0, 1):
        flat = [{"robust": r, "g": g} for r, g in ((0.0, 9), (0.9, 9), (0.5, 9), (0.5, 1))]
        rough = [{"robust": r, "g": g} for r, g in ((0.5, 0), (0.5, 0), (0.4, 0), (0.6, 3))]
        records.training(C, flat, seed)
        records.training(P, rough, seed)
    row = records.one(judge("lower", "metric", None, metric="g"))
    assert (row["ours"], row["verdict"]) == (-2.0, "direction holds")
    row = records.one(judge("lower", "fluctuation", None))
    assert (row["ours"], row["verdict"]) == (-10.0, "direction holds")


def test_worst_cases_over_different_attacks_are_told_and_compared_both_ways(records):
    records.run(C, entry("a", bits(0.7)), entry("b", bits(0.2)))
    records.run(P, entry("a", bits(0.5)))
    row = records.one(judge(attack="worst"))
    assert "worst case of pgd_at/main over clean, a" in row["differences"]
    assert "worst case of cure/main over clean, a, b" in row["differences"]
    (found,) = row["comparisons"]
    assert found["same_attacks"] == ["clean", "a"]
    assert found["value"] == row["ours"] == pytest.approx(20), (
        "what is shown is over the attacks that both faced"
    )
    assert found["sides"] == pytest.approx([70, 50])
    assert (found["all_attacks"]["value"], found["all_attacks"]["outcome"]) == (-30, "direction fails")
    assert found["outcome"] == "not told apart", "it fails only by an attack that one side did not face"


def test_worst_cases_without_a_common_attack_are_compared_as_they_are(records):
    records.run(C, entry("a", bits(0.7)))
    records.run(P, entry("b", bits(0.5)))
    (found,) = records.one(judge(attack="worst"))["comparisons"]
    assert (found["same_attacks"], found["outcome"]) == (None, "direction holds")


def test_a_comparison_tells_both_sides_its_seeds_and_the_images_that_decide(records):
    pair(records, bits(0.7), bits(0.5, shift=40))
    row = records.one(judge())
    (found,) = row["comparisons"]
    assert found["sides"] == pytest.approx([70, 50])
    assert (found["used"], found["seeds"], found["n"]) == ([0, 1], 2, 400)
    assert found["discordant"] == [160, 0]
    assert found["bootstrap"] == {"seed": 0, "draws": 2000}
    against = records.one(judge("lower", right="value: 0.9"))["comparisons"][0]
    assert (against["sides"], against["discordant"]) == ([70, 90], None)


def test_one_failure_decides_and_the_row_says_so(records):
    pair(records, bits(0.7), bits(0.5))
    records.run("trades/main", entry("a", bits(0.9)))
    both = "{left: cure/main, right: %s, measure: accuracy, attack: a, expect: higher}"
    row = records.one(f"judge: [{both % P}, {both % 'trades/main'}]")
    assert row["verdict"] == "direction fails"
    assert row["why"].startswith("of 2 comparisons 1 hold, 1 fail; one failure is enough")


def test_means_over_runs_have_students_interval():
    d = intervals.paired_means(np.array([1.0, 2.0, 3.0]), 0.0)
    half = 4.302653 / 3**0.5
    assert (d.value, d.low, d.high) == pytest.approx((2, 2 - half, 2 + half))
