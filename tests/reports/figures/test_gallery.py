"""Every exhibit that a study feeds is drawn, twice alike; every other one says what would feed it."""

import json
import re

import pytest

from redoubt.reports import exhibits
from redoubt.reports.figures import Gallery, listing, save
from redoubt.workflow.snakefile import Dag
from tests.conftest import REPO

DRAWN = [
    (notebook, e.name) for notebook, found in exhibits.NOTEBOOKS.items() for e in found if e.kind == "figure"
]


@pytest.fixture(scope="session")
def plan(made) -> Dag:
    return Dag(made)


@pytest.mark.parametrize(("notebook", "name"), DRAWN)
def test_a_figure_is_drawn_twice_alike_or_says_what_it_needs(made, plan, tmp_path, notebook, name):
    why = exhibits.missing(exhibits.ALL[name], plan.held["small"])
    if why:
        assert f"{name}-small" not in plan.figures()[notebook]
        assert why == exhibits.ALL[name].why_not or re.search(r"has no variant|faces an attack", why)
        return
    assert f"{name}-small" in plan.figures()[notebook]
    for attempt in ("one", "two"):
        picture = Gallery(made, "figures", notebook).draw(name, "small")
        save(picture.figure, tmp_path / attempt, name, picture.caption)
    for kind in ("svg", "png", "txt"):
        one, two = (tmp_path / attempt / f"{name}.{kind}" for attempt in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert re.search(r"study small.*training seed|n = \d+ test images", picture.caption)
    assert picture.found.endswith((".", ")"))
    assert "nan" not in picture.found


def test_claims_of_another_study_are_not_counted(made):
    gallery = Gallery(made, "figures", "claims")
    assert (
        gallery.draw("claim_verdicts", "small").found == "of 3 judged claims 1 hold and 1 fail on this study."
    )
    assert gallery.draw("claim_differences", "small").found == (
        "of 3 comparisons: 1 direction holds, 1 not told apart, 1 direction fails."
    )


def test_every_table_exhibit_has_its_file(made, plan):
    listed = json.loads((made / "reports" / "exhibits.json").read_text())["exhibits"]
    tables = [e for e in listed if e["kind"] == "table"]
    assert {e["name"] for e in tables if e["made"]} >= {"main", "uiat_main", "cure_components", "cost"}
    for e in tables:
        for file in e["made"].values():
            assert (made / "reports" / file).is_file(), e["name"]


def test_the_list_of_exhibits_is_a_table(made):
    text = (made / "reports" / "tables" / "exhibits.md").read_text()
    assert "figures 3 and 12" in text
    assert "about 60 GPU hours" in text


def test_recorded_results_alone_feed_no_records_and_no_weights(plan):
    import dataclasses

    held = dataclasses.replace(plan.held["small"], depth="results")
    assert exhibits.missing(exhibits.ALL["cure_tradeoff"], held) is None
    assert "training records are not here" in exhibits.missing(exhibits.ALL["cure_curves"], held)
    assert "checkpoints are not here" in exhibits.missing(exhibits.ALL["cure_cka"], held)


def test_weights_are_asked_for_where_they_are_analyzed(plan):
    assert "checkpoints/small/cure/main/seed0/best.safetensors" in plan.analyzed("cure")
    assert "data/small/record.json" in plan.analyzed("cure")
    assert plan.analyzed("overview") == []


def test_names_belong_to_one_exhibit_and_every_notebook_shows_its_own():
    names = [e.name for found in exhibits.NOTEBOOKS.values() for e in found]
    assert len(names) == len(set(names))
    assert {p.stem for p in (REPO / "notebooks").glob("*.py")} == set(exhibits.NOTEBOOKS)
    for notebook, found in exhibits.NOTEBOOKS.items():
        text = (REPO / "notebooks" / f"{notebook}.py").read_text()
        assert set(re.findall(r'gallery\.show\("(\w+)"\)', text)) == {e.name for e in found}, notebook


def test_the_list_of_figures_names_exhibit_and_study(made, tmp_path):
    picture = Gallery(made, "figures", "overview").draw("adaptive_protocol", "small")
    save(picture.figure, tmp_path, "adaptive_protocol-small", picture.caption)
    listing(tmp_path, tmp_path / "all_figures")
    (entry,) = json.loads((tmp_path / "all_figures").read_text())["figures"]
    assert entry["figure"] == "adaptive_protocol-small"
    assert (entry["exhibit"], entry["study"], entry["notebook"]) == ("adaptive_protocol", "small", "overview")
    assert entry["caption"] == picture.caption


def test_equal_evidence_gives_equal_tables(made, tmp_path):
    from pathlib import Path

    from redoubt.reports import tables

    listed = json.loads((made / "reports" / "all_tables").read_text())["tables"]
    files = sorted({Path(s) for t in listed for s in t["sources"] if "/results/" in s})[:12]
    again = tables.build(files, [])
    tables.write(again, tmp_path / "one", tmp_path / "one.json")
    tables.write(tables.build(files, []), tmp_path / "two", tmp_path / "two.json")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("notebook", exhibits.NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(made, notebook, monkeypatch, capsys):
    """The cells as a script: every exhibit is shown, and every figure of the plan is there after."""
    text = (REPO / "notebooks" / f"{notebook}.py").read_text().replace('root = "."', f"root = {str(made)!r}")
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    exec(compile(text, notebook, "exec"), {})
    for name in Dag(made).figures()[notebook]:
        assert (made / "reports" / "figures" / f"{name}.svg").is_file()
    assert len(shown) >= len(exhibits.NOTEBOOKS[notebook])
