"""reports/claims.json and the table: worst first, byte-stable, every cell filled from the row."""

import json

import pytest
from typer.testing import CliRunner

from redoubt.claims import VERDICTS, report
from redoubt.cli.app import app
from redoubt.errors import RedoubtError
from redoubt.records.kept import Kept
from redoubt.reports import tables
from tests.claims.conftest import bits, entry

HOLDS = "judge: [{left: cure/main, right: pgd_at/main, measure: accuracy, attack: a, expect: higher}]"
KEYS = {
    *(
        "paper",
        "title",
        "file",
        "id",
        "claim",
        "kind",
        "paper_value",
        "protocol",
        "study",
        "ours",
        "interval",
        "unit",
    ),
    *("by", "status", "source", "note", "test", "says", "protocols", "headline"),
    *("differences", "verdict", "direction", "why", "cost", "comparisons", "evidence"),
}


@pytest.fixture
def rows(records):
    records.run("cure/main", entry("a", bits(0.7)))
    records.run("pgd_at/main", entry("a", bits(0.5)))
    return records.rows(
        HOLDS, HOLDS.replace("higher", "lower"), "value: 50.0", HOLDS.replace("pgd_at", "trades")
    )


def test_the_worst_verdict_comes_first_and_every_row_has_the_same_keys(rows):
    assert [r["verdict"] for r in rows] == ["direction fails", "not run", "not comparable", "direction holds"]
    assert all(set(r) == KEYS for r in rows)
    assert all(r["verdict"] in VERDICTS for r in rows)


def test_where_a_claim_comes_from_and_who_asks_it(records):
    records.run("cure/main", entry("a", bits(0.7)))
    records.run("pgd_at/main", entry("a", bits(0.5)))
    ours, theirs = records.rows(
        "note: beware, status: control, " + HOLDS, "test: by hand, says: +2 points, " + HOLDS
    )
    assert (ours["by"], ours["status"], ours["note"], ours["source"]) == (
        "ours",
        "control",
        "beware",
        "paper",
    )
    assert (theirs["by"], theirs["test"], theirs["says"]) == ("paper", "by hand", "+2 points")


def test_the_papers_protocol_stands_beside_ours(records):
    for seed in (0, 3):
        records.run("cure/main", entry("a", bits(0.7)), seed=seed)
        records.run("pgd_at/main", entry("a", bits(0.5)), seed=seed)
    row = records.one("architecture: WRN-34-10, " + HOLDS)
    found = {line["what"]: (line["paper"], line["here"]) for line in row["protocols"]}
    assert found["architecture"] == ("WRN-34-10", "resnet18")
    assert found["data set"] == (None, "digits")
    assert found["image size"] == (None, "8x8")
    assert (found["seeds"], found["images"], found["epochs"]) == ((None, "0, 3"), (None, "400"), (None, "5"))
    assert found["radius"][1].startswith("linf 0.03137")


def test_evidence_names_the_records_of_both_sides(rows):
    found = rows[0]["evidence"]
    assert [f.split("results/")[1] for f in found] == [
        "toy/cure/main/seed0.json",
        "toy/pgd_at/main/seed0.json",
    ]


def test_json_and_tables_are_equal_byte_for_byte(rows, records, tmp_path):
    again = report.build(records.folder / "claims", records.results, [])
    for name, content in (("one", rows), ("two", again)):
        report.write(content, tmp_path / name / "claims.json")
        built = tables.build(records.results, [], claims=tmp_path / name / "claims.json")
        tables.write(built, tmp_path / name / "tables", tmp_path / name / "list")
    for file in ("claims.json", *(f"tables/claims.{e}" for e in ("csv", "md", "tex", "html"))):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    text = (tmp_path / "one" / "tables" / "claims.csv").read_text()
    assert "+20 points" in text
    assert text.index("direction fails") < text.index("direction holds")


def test_kept_rows_are_those_that_are_judged_anew(rows, records, tmp_path, monkeypatch):
    judged = []
    real = report._judged
    monkeypatch.setattr(report, "_judged", lambda *given: judged.append(1) or real(*given))
    file, folder = tmp_path / "kept.json", records.folder / "claims"
    ask = lambda: report.build(folder, records.results, [], Kept(file))
    assert (ask(), ask(), len(judged)) == (rows, rows, 1)
    file.write_bytes(file.read_bytes().replace(b"direction holds", b"direction fails"))
    assert (ask(), len(judged)) == (rows, 2)
    records.run("cure/main", entry("a", bits(0.4)))  # the same file, other bits
    assert {r["ours"] for r in ask()} != {r["ours"] for r in rows}
    text = (folder / "toy.yaml").read_text()
    (folder / "toy.yaml").write_text(text.replace("it is so", "it is not"))
    assert {r["claim"] for r in ask()} == {"it is not"}
    assert len(judged) == 4
    challenge = records.results[0].parent / "challenges" / f"{records.results[0].stem}-0.json"
    challenge.parent.mkdir()
    challenge.write_text("{}")  # it counts from now on, so it is read, and refused
    with pytest.raises(RedoubtError, match=r"lacks a field|0[.]json"):
        ask()
    challenge.unlink()
    records.results[0].unlink()
    with pytest.raises(RedoubtError, match="there is no such record"):
        ask()


def test_one_paper_is_chosen_by_its_file(rows, records):
    folder = records.folder / "claims"
    assert len(report.of_paper(rows, "toy", folder)) == len(rows)
    with pytest.raises(RedoubtError) as caught:
        report.of_paper(rows, "toj", folder)
    assert caught.value.nearest == "toy"


def test_the_command_writes_the_file_and_prints_the_worst_first(rows, records, tmp_path):
    out = tmp_path / "claims.json"
    options = ["--folder", str(records.folder / "claims"), "--out", str(out), "--paper", "toy"]
    done = CliRunner().invoke(app, ["claims", *map(str, records.results), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text()) == rows
    assert done.output.index("direction fails") < done.output.index("direction holds")
    assert (
        "judged, once a study: 1 direction fails, 1 direction holds; controls of ours: none; waiting: 1 not run"
        in done.output
    )


def test_without_records_nothing_is_judged(records):
    (row,) = records.rows(HOLDS)
    assert (row["verdict"], row["why"]) == ("not run", "no record of any study is here")
