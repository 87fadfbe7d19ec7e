"""The leaderboard: the worst case decides the order, what few face is no column, names are words."""

from redoubt.records import results
from redoubt.reports.site.evidence import load
from redoubt.reports.site.leaderboard import boards
from tests.reports.site.conftest import evaluation, result


def made(tmp_path, shares):
    files = []
    for defense, robust in shares.items():
        rows = [evaluation("clean", 0.9, 0, eps=0.0), evaluation("pgd50", robust, 0)]
        if defense == "cure":
            rows.append(evaluation("pgd20_eot10", 0.9, 0))
        files.append(result(tmp_path, defense, "main", 0, rows))
    assert len(results.frame(files))
    return boards(load(tmp_path / "reports", files, []))


def test_the_worst_case_is_first_and_decides_the_order(tmp_path):
    (board,) = made(tmp_path, {"standard": 0.1, "cure": 0.4, "pgd_at": 0.7})
    assert [r["name"] for r in board["rows"]] == ["PGD-AT", "CURE", "standard"]
    assert [c for c, _ in board["columns"]] == ["worst", "clean", "pgd50"]
    assert board["columns"][0] == ("worst", "worst case")
    assert board["left_out"] == ["PGD-20, 10 draws"]
    first = board["rows"][0]
    assert first["href"] == "site/runs/toy/pgd_at/main.html"
    assert float(first["cells"][0]["value"]) > 50
    assert first["cells"][0]["around"].startswith("[")
    assert dict(first["checks"]["counts"])["passed"] >= 1
    assert (first["seeds"], first["n"]) == (1, 40)


def test_a_column_that_half_of_the_defenses_fill_stays(tmp_path):
    (board,) = made(tmp_path, {"cure": 0.4, "pgd_at": 0.7})
    assert "pgd20_eot10" in dict(board["columns"])
    assert board["left_out"] == []
    empty = board["rows"][0]["cells"][[c for c, _ in board["columns"]].index("pgd20_eot10")]
    assert empty["value"] == ""
