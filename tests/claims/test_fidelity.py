"""docs/fidelity: the page is that of its tables, the tables name what exists, effects are measured and written."""

import re

import pytest

from redoubt import defenses
from redoubt.claims import effects, fidelity
from redoubt.config import load_study, resolve
from redoubt.errors import RedoubtError
from redoubt.records import results
from tests.claims.conftest import bits, entry
from tests.conftest import REPO

FOLDER = REPO / "docs" / "fidelity"
METHODS = fidelity.load_all(FOLDER)
DEVIATION = """  - key: start
    what: the start | of the attack
    theirs: "train.py 10: normal noise"
    ours: uniform noise
    reason: a wider start
    variant: trades/normal_start
    studies: [toy, other]
    effect: null  # none yet
"""
TABLE = (
    "# what a person wrote\nmethod: TRADES\ndefenses: [trades]\ncode: https://example.org at abc\nequal:\n"
    "  - {what: the loss, to: 1e-9, test: 'tests/test_x.py::test_it'}\ndeviations:\n" + DEVIATION
)


@pytest.fixture(scope="module")
def held():
    """Study -> the names of its variants."""
    files = sorted((REPO / "studies").glob("*.yaml"))
    return {path.stem: {v.name for v in resolve(load_study(path))} for path in files}


def test_the_tracked_page_is_the_one_of_the_tables():
    """`redoubt fidelity` writes it."""
    assert (REPO / "docs" / "fidelity.md").read_text(encoding="utf-8") == fidelity.page(METHODS.values())


@pytest.mark.parametrize("path", METHODS, ids=lambda p: p.stem)
def test_every_test_that_a_table_names_exists(path):
    for equal in METHODS[path].equal:
        file, name = equal.test.split("::")
        assert (REPO / file).is_file(), equal.test
        assert re.search(rf"^def {name}\(", (REPO / file).read_text(encoding="utf-8"), re.M), equal.test


@pytest.mark.parametrize("path", METHODS, ids=lambda p: p.stem)
def test_every_variant_that_a_table_names_is_held_by_a_study(path, held):
    for d in METHODS[path].deviations:
        assert set(d.studies) <= set(held), d.key
        for pair in d.pairs:
            assert any(set(pair) <= names for names in held.values()), (d.key, pair)


def test_every_defense_is_covered():
    covered = {name for m in METHODS.values() for name in m.defenses}
    assert (
        not set(defenses.names()) - covered - {"external"}
    )  # weights of others, trained by whatever they were


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "fidelity"
    made.mkdir()
    (made / "trades.yaml").write_text(TABLE)
    return made


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("reason: a wider", "reasons: a wider", "deviations.start.reasons\n.*\n.*\n  did you mean: reason"),
        ("[trades]", "[trade]", "did you mean: trades"),
        ("tests/test_x.py::test_it", "test_it", "names like"),
        ("trades/normal_start", "normal_start", "deviations.start.variant"),
        ("    studies", "    against: trades/a, trades/b\n    studies", "one run for each variant"),
        ("deviations:\n", f"deviations:\n{DEVIATION}", "two deviations"),
        ("code: https://example.org at abc\n", "", "required key is missing"),
        ("  - {what: the loss, to: 1e-9, test: 'tests/test_x.py::test_it'}\n", "", "not_compared"),
    ],
)
def test_a_mistake_is_named(folder, old, new, says):
    assert old in TABLE
    text = TABLE.replace(old, new).replace("equal:\ndev", "equal: []\ndev")
    (folder / "trades.yaml").write_text(text)
    with pytest.raises(RedoubtError, match=says) as caught:
        fidelity.load_all(folder)
    assert "trades.yaml" in str(caught.value)


def test_what_touches_a_defense():
    methods = list(METHODS.values())
    assert [m.defenses[0] for m in fidelity.about(methods, ["atop_transfer", "pssr"])] == ["purifier", "pssr"]
    assert fidelity.about(methods, []) == []


def test_effects_are_paired_differences_written_in_place(folder, records):
    for seed in range(2):
        records.run("trades/main", entry("pgd20", bits(0.7)), seed=seed)
        records.run("trades/normal_start", entry("pgd20", bits(0.6)), seed=seed)
    records.run("trades/main", entry("pgd20", bits(0.7)), study="other")
    records.run("trades/normal_start", entry("pgd20", bits(0.9)), study="other")
    assert effects.write(folder, results.frame(records.results)) == ["TRADES: start"]
    (method,) = fidelity.load_all(folder).values()
    (e,) = method.deviations[0].effect
    assert (e.variant, e.against) == ("trades/normal_start", "trades/main")
    assert (e.study, e.attack, e.seeds, e.n, e.points) == ("toy", "worst", 2, 400, -10.0)
    # 40 of 400 images differ: a standard error of sqrt(0.1 * 0.9 / 400) = 1.5 points.
    assert e.interval[0] == pytest.approx(-10 - 1.96 * 1.5, abs=0.6)
    assert e.interval[1] == pytest.approx(-10 + 1.96 * 1.5, abs=0.6)
    text = (folder / "trades.yaml").read_text()
    assert re.sub(r"effect: \[.*\]", "effect: null", text) == TABLE
    effects.write(folder, results.frame(records.results[:1]))
    assert (folder / "trades.yaml").read_text() == text, "what has no record now keeps its effect"
    assert "| trades/normal_start - trades/main = -10.0 [" in fidelity.page([method])
    assert r"the start \| of the attack" in fidelity.page([method])


def test_an_attack_that_one_side_did_not_face_is_no_effect(folder, records):
    records.run("trades/main", entry("pgd20", bits(0.7)), entry("autoattack", bits(0.4)))
    records.run("trades/normal_start", entry("pgd20", bits(0.6)))
    effects.write(folder, results.frame(records.results))
    (method,) = fidelity.load_all(folder).values()
    assert method.deviations[0].effect[0].points == -10.0


def test_several_variants_each_with_what_it_is_held_against(folder, records):
    several = "variant: trades/normal_start, trades/wide, trades/absent"
    table = TABLE.replace("variant: trades/normal_start", several)
    (folder / "trades.yaml").write_text(table)
    for run, share in (("main", 0.7), ("wide", 0.5), ("normal_start", 0.6)):
        records.run(f"trades/{run}", entry("pgd20", bits(share)))
    measured = lambda: [
        (e.variant, e.against, e.points)
        for m in fidelity.load_all(folder).values()
        for e in m.deviations[0].effect
    ]
    effects.write(folder, results.frame(records.results))
    assert measured() == [
        ("trades/normal_start", "trades/main", -10.0),
        ("trades/wide", "trades/main", -20.0),
    ]
    against = "against: trades/wide, trades/main, trades/main\n    studies"
    (folder / "trades.yaml").write_text((folder / "trades.yaml").read_text().replace("studies", against, 1))
    effects.write(folder, results.frame(records.results))
    assert measured()[0] == ("trades/normal_start", "trades/wide", 10.0)


def test_a_deviation_without_a_place_for_its_effect_is_refused(folder, records):
    (folder / "trades.yaml").write_text(TABLE.replace("    effect: null  # none yet\n", ""))
    records.run("trades/main", entry("pgd20", bits(0.7)))
    with pytest.raises(RedoubtError, match="effect: null"):
        effects.write(folder, results.frame(records.results))
    with pytest.raises(RedoubtError, match="no result record"):
        effects.write(folder, results.frame([]))
