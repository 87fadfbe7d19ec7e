"""Names, paths and files that someone else wrote: nothing of them is run, nothing outside the project is touched."""

import csv
import re

import pandas as pd
import pytest

from redoubt.reports import tables


@pytest.fixture
def outside(root, tmp_path_factory):
    """A study beside the project and not in it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "smoke.yaml").write_text((root / "studies" / "smoke.yaml").read_text())
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("prepare", "{}/smoke"),
        ("record", "{}/smoke", "--device", "cpu"),
        ("train", "{}/smoke/pgd_at/main", "--device", "cpu"),
        ("attack", "{}/smoke/pgd_at/main", "--device", "cpu"),
        ("pack", "{}/smoke", "parcel"),
        ("prepare", ""),
        ("prepare", "."),
        ("prepare", "a\nb"),
    ],
)
def test_a_study_outside_of_the_project(root, outside, redoubt, command):
    import os

    (root / "config.yaml").write_text("studies: {smoke: {}}")
    up = os.path.relpath(outside, root / "studies")
    before = sorted(outside.rglob("*"))
    code, said = redoubt(*(word.format(up) for word in command), "--root", root)
    assert code == 1
    assert "unknown study" in said
    assert sorted(outside.rglob("*")) == before


def test_a_view_that_the_defense_does_not_have_is_told_before_it_is_trained(root, redoubt):
    path = root / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("{attack: fgsm}", "{attack: fgsm, view: depolyed}"))
    code, said = redoubt("train", "smoke/pgd_at/main", "--root", root, "--device", "cpu")
    assert code == 1
    for word in (
        "no such view",
        "evaluation.attacks.fgsm.view",
        "studies/smoke.yaml",
        "did you mean: deployed",
    ):
        assert word in said
    assert not (root / "checkpoints").exists()


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "CPU"])
def test_a_device_that_does_not_exist(root, redoubt, device):
    code, said = redoubt("train", "smoke/pgd_at/main", "--root", root, "--device", device)
    assert code == 1
    assert "--device" in said


FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+A1", "-1+cmd|' /C calc'!A0", "-A1:A9", "\t=1", "+1+HYPERLINK(a)",
]  # fmt: skip
PLAIN = ["-1.5", "+0.5 [-1.0, +2.0]", "-3 to 2.5", "+3 points", "-1e-05", "a = b", "p < 0.05", "", "-inf"]
MARKUP = ["<script>alert(1)</script>", "a | b", "<img src=x onerror=a>", "a\nb", "<!-- a -->"]


@pytest.fixture
def written(tmp_path):
    """A function of cells: what a table of them is as csv and as Markdown."""

    def write(cells):
        table = tables.Table("a", "A caption.", pd.DataFrame({"text": cells}), [])
        tables.write([table], tmp_path / "tables", tmp_path / "all_tables")
        with open(tmp_path / "tables" / "a.csv", newline="", encoding="utf-8") as file:
            rows = [row["text"] for row in csv.DictReader(file)]
        return rows, (tmp_path / "tables" / "a.md").read_text()

    return write


def test_no_cell_is_a_formula_and_numbers_stay(written):
    rows, _ = written(FORMULAS + PLAIN)
    assert rows == [f"'{cell}" for cell in FORMULAS] + PLAIN


def test_no_cell_is_markup(written):
    _, page = written(MARKUP + PLAIN)
    assert not re.search(r"<[a-zA-Z/!]", page)
    assert "p < 0.05" in page
    assert len(page.splitlines()) == 4 + len(MARKUP + PLAIN)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 2 for line in page.splitlines()[2:])
