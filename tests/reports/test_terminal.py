"""A run in the terminal: everything that its records hold, and errors that name the nearest run."""

import io
import json

import pytest
from rich.console import Console

from redoubt.errors import RedoubtError
from redoubt.reports import terminal
from redoubt.statistics.intervals import wilson

RUN = "smoke/pgd_at/main"


def text(root, run):
    console = Console(file=io.StringIO(), width=200, markup=False)
    console.print(terminal.render(root, run))
    return console.file.getvalue()


def test_every_part_is_shown(project):
    said = text(project.folder, RUN)
    record = json.loads((project.folder / "results" / RUN / "seed1.json").read_text())
    assert all(
        title in said for title in ("settings", "epochs", "attacks", "validity checks", "provenance", "again")
    )
    assert "ours: tests" in said
    assert f"best {record['checkpoints']['best']['sha256'][:10]}" in said
    share = wilson(record["evaluations"][1]["correct_count"], 60)
    assert f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]" in said
    assert all(c["name"] in said for c in record["checks"])
    assert f"redoubt audit {RUN}" in said
    assert "1 *" in said or "2 *" in said


def test_one_seed_alone(project):
    assert "seed 1" in text(project.folder, RUN)
    assert "seed 1" not in text(project.folder, f"{RUN}/seed0")


@pytest.mark.parametrize(
    ("run", "nearest", "words"),
    [
        ("smoke/pgd_ta/main", RUN, "unknown run"),
        ("smok/pgd_at/main", RUN, "unknown run"),
        (f"{RUN}/seed7", None, "nothing is"),
    ],
)
def test_what_is_not_there_is_an_error_with_a_way_out(project, run, nearest, words):
    with pytest.raises(RedoubtError, match=words) as caught:
        terminal.render(project.folder, run)
    assert caught.value.nearest == nearest
    assert caught.value.hint or caught.value.allowed


def test_a_clone_with_results_alone_is_shown(project, tmp_path):
    import shutil

    for name in ("studies", "results"):
        shutil.copytree(project.folder / name, tmp_path / name)
    said = text(tmp_path, RUN)
    assert "epochs ──" not in said
    assert "pgd on best" in said
