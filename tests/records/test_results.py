"""From records to the tidy frame: nothing is lost, nothing altered passes."""

import json

import numpy as np
import pytest

from redoubt.errors import RedoubtError
from redoubt.records import results
from redoubt.records.files import write_record
from redoubt.records.packed_booleans import pack, unpack
from tests.records.toy import entry, record, two_seeds


@pytest.fixture
def files(tmp_path):
    return two_seeds(tmp_path)


def test_bits_round_trip():
    bits = np.random.default_rng(0).random(137) < 0.5
    assert np.array_equal(unpack(pack(bits), 137), bits)


def test_worst_is_the_minimum_by_example_over_what_each_seed_faced(files):
    tidy = results.frame(files)
    of = lambda name: tidy[tidy["name"] == name].set_index("seed")
    assert of("worst")["correct"].map(sum).to_dict() == {0: 0, 1: 9}, "only seed 0 faced all of them"
    assert of("worst_shared")["correct"].map(sum).to_dict() == {0: 8, 1: 9}
    assert of("worst")["attack"][0] != of("worst_shared")["attack"][0]


def test_what_every_seed_faced_is_no_row_of_its_own_where_that_is_all(tmp_path):
    rows = [entry("clean", np.ones(4)), entry("a", np.array([0, 1, 1, 1]))]
    assert "worst_shared" not in set(results.frame([record(tmp_path, "pgd_at", 0, rows)])["name"])


def test_two_runs_are_alike_over_the_attacks_that_both_faced(tmp_path):
    clean, a, b = entry("clean", np.ones(4)), entry("a", np.array([0, 1, 1, 1])), entry("b", np.zeros(4))
    files = [record(tmp_path, "pgd_at", 0, [clean, a, b]), record(tmp_path, "trades", 0, [clean, a])]
    tidy = results.frame([*files, record(tmp_path, "mart", 0, [clean, b])])
    of = lambda defense: tidy[tidy["defense"] == defense]
    left, right = results.alike(of("pgd_at"), of("trades"))
    assert left["correct"][0].tolist() == right["correct"][0].tolist() == [False, True, True, True]
    assert left["attack"][0] == "minimum over clean, a"
    assert results.alike(of("trades"), of("mart")) is None, "natural images alone are no worst case"


def test_diagnostics_last_checkpoints_and_sweeps_do_not_enter_the_worst_case(tmp_path):
    ones, none = np.ones(4), np.zeros(4)
    rows = [entry("clean", ones), entry("x", none, role="diagnostic"), entry("y", none, checkpoint="last")]
    path = record(tmp_path, "pgd_at", 0, [*rows, entry("z@0.5", none)])
    tidy = results.frame([path])
    assert tidy[tidy["name"] == "worst"]["correct"].iloc[0].all()


def test_the_worst_case_is_over_the_images_that_every_main_attack_faced(tmp_path):
    rows = [entry("clean", np.ones(4)), entry("part", np.array([0, 1])), entry("all", np.array([1, 1, 0, 0]))]
    worst = results.frame([record(tmp_path, "pgd_at", 0, rows)]).set_index("name").loc["worst"]
    assert worst["correct"].tolist() == [False, True]
    assert worst["n"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["evaluations"][1].update(correct_count=10), "changed by hand"),
        (lambda r: r["evaluations"][1].update(correct=pack(np.zeros(10))), "changed by hand"),
        (lambda r: r["evaluations"][1].pop("n"), "lacks a field"),
        (lambda r: r["evaluations"][1].update(correct="?"), "not a result record"),
        (lambda r: r.pop("run"), "lacks a field"),
        (lambda r: r["run"].update(seed=5), "another run's place"),
    ],
)
def test_a_record_edited_by_hand_is_refused(files, change, words):
    content = json.loads(files[0].read_text())
    change(content)
    write_record(files[0], content)
    with pytest.raises(RedoubtError, match=words) as caught:
        results.frame(files)
    assert str(files[0]) in str(caught.value)


def test_a_record_cut_in_half_is_refused(files):
    files[0].write_text(files[0].read_text()[:100])
    with pytest.raises(RedoubtError, match="not a whole record"):
        results.frame(files)
