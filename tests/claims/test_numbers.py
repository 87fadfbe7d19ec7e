"""Numbers of papers: judged only under their protocol, and a higher one asks for a stronger attack."""

import pytest

from redoubt.claims import numbers
from tests.claims.conftest import BAD, bits, entry

NUMBER = (
    "value: {}, dataset: cifar10, architecture: resnet18, "
    "number: {{run: cure/main, attack: pgd, params: {{steps: 20}}, eps: 8/255, images: 400}}"
)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (50.9, "reproduced"),
        (53.0, "reproduced"),  # within the interval, not within the tolerance
        (70.0, "lower"),
        (30.0, "higher: check the attack"),
    ],
)
def test_a_number_under_its_own_protocol(records, value, verdict):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10")
    row = records.one(NUMBER.format(value))
    assert (row["verdict"], row["ours"], row["kind"]) == (verdict, 50.0, "number")
    assert ("stronger attack" in row["why"]) == verdict.startswith("higher")


def test_a_digits_record_is_never_held_against_a_cifar_number(records):
    records.run("cure/main", entry("a", bits(0.5)), data="digits")
    row = records.one(NUMBER.format(50.0))
    assert (row["verdict"], row["ours"]) == ("not comparable", None)
    assert row["differences"] == ["data set: cifar10 there, digits here"]


@pytest.mark.parametrize(
    ("rows", "settings", "claim", "words"),
    [
        ({}, {"eps": 0.1}, NUMBER, "threat: linf 0.03137 there, linf 0.1 here"),
        ({"params": {"steps": 50}}, {}, NUMBER, "attack: pgd steps 20 there"),
        ({"attack": "fgsm"}, {}, NUMBER, "attack: pgd steps 20 there"),
        ({"surrogate": "pgd_at/main"}, {}, NUMBER, "attack: pgd steps 20 there"),
        ({}, {}, NUMBER.replace("resnet18", "wrn-34-10"), "architecture: wrn-34-10 there, resnet18 here"),
        ({}, {}, NUMBER.replace("dataset: cifar10, ", ""), "data set: the paper's is not known"),
    ],
)
def test_any_difference_in_protocol_is_named(records, rows, settings, claim, words):
    records.run("cure/main", entry("a", bits(0.5), **rows), **{"data": "cifar10", **settings})
    row = records.one(claim.format(50.0))
    assert row["verdict"] == "not comparable"
    assert any(d.startswith(words) for d in row["differences"])


def test_nrr_is_of_natural_and_attacked_accuracy(records):
    records.run("cure/main", entry("clean", bits(0.8)), entry("a", bits(0.4)), data="cifar10")
    row = records.one(NUMBER.replace("attack: pgd", "measure: nrr, attack: pgd").format(53.3))
    assert (row["verdict"], row["ours"]) == ("reproduced", 53.3333)


def test_a_failed_check_flags_a_number(records):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10", checks=[BAD])
    row = records.one(NUMBER.format(50.0))
    assert (row["verdict"], row["direction"], row["ours"]) == ("flagged", "reproduced", 50.0)


def test_fewer_images_are_told(records):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10")
    row = records.one(NUMBER.replace("400", "10000").format(50.0))
    assert (row["verdict"], row["differences"]) == ("reproduced", ["test images: 10000 there, 400 here"])


def test_a_number_without_its_run_is_not_run(records):
    records.run("pgd_at/main", entry("a", bits(0.5)), data="cifar10")
    assert records.one(NUMBER.format(50.0))["verdict"] == "not run"


def test_a_network_that_was_not_run_is_held_beside_the_main_one_and_never_judged(records):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10")
    row = records.one(NUMBER.replace("cure/main", "cure/resnet50").format(50.0))
    assert (row["verdict"], row["ours"]) == ("not comparable", None)
    assert row["differences"][0] == "run: cure/resnet50 there, cure/main here"
    assert records.one(NUMBER.replace("cure/main", "cure/rgp_code").format(50.0))["verdict"] == "not run"


def test_a_thinner_network_is_another_one(records):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10", width=16)
    row = records.one(NUMBER.format(50.0))
    assert row["verdict"] == "not comparable"
    assert any(d.endswith("resnet18 of width 16 here") for d in row["differences"])


def test_a_study_of_a_cut_budget_is_never_held_against_a_number(records):
    records.run("cure/main", entry("a", bits(0.5)), data="cifar10")
    (records.folder / "studies").mkdir()
    (records.folder / "studies" / "toy.yaml").write_text("reduced: true\ndefenses: {cure: {}}\n")
    row = records.one(NUMBER.format(50.0))
    assert (row["verdict"], row["ours"]) == ("not comparable", None)
    assert row["differences"] == ["budget: the paper's there, cut on purpose here"]


def test_numbers_of_others_are_context(records):
    assert records.one("value: 50.0")["verdict"] == "not comparable"
    assert records.one("test: null")["verdict"] == "not run"


def test_every_line_of_the_protocols_that_differs_is_named_where_both_are_known():
    beside = [
        {"what": "data set", "paper": "CIFAR-10", "here": "cifar10"},
        {"what": "epochs", "paper": "200", "here": "12"},
        {"what": "seeds", "paper": None, "here": "0, 1"},
    ]
    assert numbers.other(beside) == ["epochs: 200 there, 12 here"]
