"""From the tidy frame to cells: intervals, spreads, failed checks, and equal bytes for equal records."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from redoubt.records import results
from redoubt.reports import comparisons, tables
from redoubt.reports.figures import uiat
from tests.records.toy import CHECK, entry, record, two_seeds


@pytest.fixture
def files(tmp_path):
    return two_seeds(tmp_path)


def test_failed_checks_are_counted_and_shown(tmp_path):
    ones, failed = np.ones(10), {**CHECK, "passed": False, "value": 7.0}
    rows = [entry("clean", ones, eps=0.0), entry("a", ones)]
    undefended = [entry("clean", ones, eps=0.0), entry("a", ones * 0)]
    paths = [
        record(tmp_path, "standard", 0, undefended),
        record(tmp_path, "pgd_at", 0, rows),
        record(tmp_path, "pgd_at", 1, rows, (failed,)),
    ]
    found = {t.name: t.cells for t in tables.build(paths, [])}
    assert found["main"].set_index("defense")["checks"].to_dict() == {"standard": "", "pgd_at": "1 failed"}
    row = found["checks"].query("defense == 'pgd_at' and check == 'perturbation_within_bound'").iloc[0]
    assert (row["passed"], row["value"]) == ("1 of 2", "7")
    breaks = found["checks"].query("check == 'ablated_part_breaks'")
    assert breaks["passed"].tolist() == ["1 of 1"]


def test_comparisons_say_what_can_be_told_apart(tmp_path):
    ones, none = np.ones(40), np.zeros(40)
    last = entry("a_last", none, checkpoint="last", role="diagnostic")
    paths = [
        record(tmp_path, "pgd_at", 0, [entry("clean", ones), entry("screen", none), entry("a", ones), last]),
        record(tmp_path, "trades", 0, [entry("clean", ones), entry("screen", ones)]),
    ]
    tidy = results.frame(paths)
    found = comparisons.pairs(tidy).set_index("attack")["direction"].to_dict()
    assert found == {"clean": "not told apart", "screen": "higher"}
    overfitting = comparisons.best_against_last(tidy).iloc[0]
    assert (overfitting["attack"], overfitting["direction"]) == ("a", "higher")


def test_confidence_halves_by_signed_radius(tmp_path):
    rows = [
        entry("clean", [1, 1, 1, 0], eps=0.0),
        entry("s@0.1", [1, 1, 0, 0]),
        entry("i@0.1", [1] * 4, attack="inverse"),
    ]
    table = comparisons.confidence_halves(results.frame([record(tmp_path, "uiat", 0, rows)]))
    assert table["eps"].tolist() == ["-0.1", "0", "0.1"]
    assert table["gap"].tolist() == ["0.0", "50.0", "100.0"]


def test_confidence_halves_are_of_the_images_that_every_radius_has(tmp_path):
    rows = [entry("clean", [1, 0, 1, 0], eps=0.0), entry("s@0.1", [1, 1, 0])]
    table = comparisons.confidence_halves(results.frame([record(tmp_path, "uiat", 0, rows)]))
    assert table["all"].tolist() == ["66.7", "66.7"]


def test_the_figure_of_halves_has_a_row_a_radius_and_half(tmp_path):
    rows = [entry("clean", [1, 0, 1, 0], eps=0.0), entry("strength@0.1", [1, 1, 0], eps=0.1)]
    tidy = results.frame([record(tmp_path, "uiat", 0, rows)])
    here = SimpleNamespace(rows=lambda runs: tidy.assign(run="uiat/main"))
    found = uiat.halves(here, ["uiat/main"])
    assert found[["radius", "half"]].drop_duplicates().shape[0] == 4
    assert sum(map(len, found["correct"])) == 6


def test_a_cell_has_one_kind_of_interval_and_says_where_it_has_fewer_seeds_or_images(files):
    tidy = results.frame(files)
    cells = tables.accuracy_table(tidy, ["study", "defense"]).iloc[0]
    assert cells["a"] == "90.0 [70.0, 100.0]", "over images and seeds"
    assert cells["only"] == "0.0 [0.0, 0.0] (1 seed)"
    assert cells["worst_shared"].startswith("85.0 [")
    assert cells["seeds"] == 2


def test_tables_are_equal_byte_for_byte_and_listed_with_their_hashes(files, tmp_path):
    import hashlib

    for name in ("one", "two"):
        tables.write(tables.build(files, []), tmp_path / name, tmp_path / f"{name}.list")
    one, two = sorted((tmp_path / "one").iterdir()), sorted((tmp_path / "two").iterdir())
    assert [p.name for p in one] == [p.name for p in two]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))
    listed = json.loads((tmp_path / "one.list").read_text())["tables"]
    for table in listed:
        for kind, digest in table["sha256"].items():
            content = (tmp_path / "one" / f"{table['table']}.{kind}").read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest
        assert table["sources"]
