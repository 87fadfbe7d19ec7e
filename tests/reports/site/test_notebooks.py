"""An executed notebook as a page: text, figures and tables by name, and nothing that text could smuggle in."""

import json

import pytest

from redoubt.errors import RedoubtError
from redoubt.reports.site.notebooks import read
from tests.reports.site.conftest import HOSTILE


def cell(kind, source="", *outputs):
    return {"cell_type": kind, "source": source, "outputs": list(outputs)}


def shown(words, **known):
    return {"data": {"text/markdown": words}, "metadata": {"redoubt": known} if known else {}}


@pytest.fixture
def reports(tmp_path):
    cells = [
        cell("markdown", ["# CURE *here*\n", "Does it hold?"]),
        cell(
            "code",
            "gallery.show('x')",
            shown(f"**A.** {HOSTILE}"),
            shown("", figure="a-toy"),
            shown("| a |", table="t"),
        ),
        cell("code", "", {"output_type": "stream", "text": "said"}),
        cell("markdown", "## What?\n**What it does not show.** <b>all</b>"),
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "cure.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def test_parts_in_order_with_figures_and_tables_by_name(reports):
    made = read(reports, "notebooks/cure.ipynb")
    assert (made.title, made.name, made.page) == ("CURE here", "cure", "site/notebooks/cure.html")
    assert [p.kind for p in made.parts] == ["text", "text", "figure", "table", "text"]
    assert [p.content for p in made.parts if p.kind != "text"] == ["a-toy", "t"]


def test_text_never_becomes_markup(reports):
    words = "".join(p.content for p in read(reports, "notebooks/cure.ipynb").parts if p.kind == "text")
    assert "&lt;script&gt;" in words
    assert "&lt;b&gt;all" in words
    assert "<script" not in words
    assert "<img" not in words


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(RedoubtError):
        read(tmp_path, "broken.ipynb")
