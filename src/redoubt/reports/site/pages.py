"""Templates to files: every page of the site, each below a megabyte, each with addresses relative to itself."""

import functools
import posixpath
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from markupsafe import Markup

from redoubt.claims.directions import RULE
from redoubt.claims.fidelity import effect
from redoubt.reports import names, verdict_looks
from redoubt.reports.site import home, leaderboard, notebooks, runs, search, sentences, verdicts, words
from redoubt.reports.site.evidence import Evidence
from redoubt.reports.site.links import Links, anchor, flat, numeric, to

ROWS = 1200  # of a table on one page: some 700 bytes a row keep a page below a megabyte


@pass_context
def _here(context: Any, target: str) -> str:
    """An address below the reports folder, as seen from the page that is being written."""
    path, mark, name = target.partition("#")
    return _relative(path, posixpath.dirname(context["page"])) + mark + name


@functools.cache  # tables ask for the same few hundred addresses tens of thousands of times
def _relative(path: str, folder: str) -> str:
    return posixpath.relpath(path, folder or ".")


def _ticks(text: str) -> Markup:
    """Escaped text whose parts between backticks are set as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))


def environment() -> Environment:
    """jinja2 that escapes whatever comes from a file, and stops at a name that is not there."""
    made = Environment(
        loader=PackageLoader("redoubt.reports.site"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(here=_here, ticks=_ticks, flat=flat, verdict=verdict_looks.shown)
    made.globals.update(anchor=anchor, to=to, counts=verdicts.counts, distinct=verdicts.distinct)
    made.globals.update(
        measured=verdicts.measured, rank=verdicts.rank, mark=verdicts.mark, says=verdicts.says
    )
    made.globals.update(touching=verdicts.touching, effect=effect, behind=verdicts.behind)
    made.globals.update(words=words, sentences=sentences, label=names.label, called=names.attack, rule=RULE)
    made.globals.update(check_looks=verdict_looks.CHECKS)
    return made


def render(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(path below the reports folder, text) of every page and of the search index."""
    jinja, links = environment(), Links(evidence.runs)
    papers = verdicts.papers(evidence)
    tables = list(_tables(evidence, links))
    listed = {t["table"]: to(t["page"]) for t in tables if t["part"] == 1}
    summary = home.summary(evidence)
    told = [notebooks.read(evidence.reports, file) for file in evidence.notebooks]
    shared: dict[str, Any] = {
        "papers": papers,
        "links": links,
        "summary": summary,
        "scales": summary["scales"],
        "lacks": summary["lacks"],
        "paper_pages": {p.key: to(p.page) for p in papers},
        "names": verdicts.NAMES,
        "table_pages": listed,
        "table_titles": {t["table"]: t["title"] for t in tables},
        "notebook_pages": {n.name: n.page for n in told},
        "place": functools.partial(verdicts.place, papers=papers),
        "runs": evidence.runs,
    }

    def write(template: str, page: str, **values: Any) -> tuple[str, str]:
        return page, jinja.get_template(template).render(page=page, **shared, **values)

    first = [t for t in tables if t["part"] == 1]
    own = {f["figure"] for p in papers for f in p.figures}
    across = [f for f in evidence.figures if f["figure"] not in own]
    yield write(
        "index.html",
        "index.html",
        evidence=evidence,
        judged=verdicts.sorted_by_verdict([c for p in papers for c in p.judged]),
        controls=verdicts.sorted_by_verdict([c for p in papers for c in p.controls]),
        tables=first,
        across=across,
        boards=leaderboard.boards(evidence),
    )
    for paper in papers:
        yield write("paper.html", paper.page, paper=paper, methods=evidence.methods)
        if paper.waiting or paper.context:
            yield write("rest.html", paper.rest, paper=paper)
    yield write("review.html", "site/review.html")
    yield write("fidelity.html", "site/fidelity.html", methods=evidence.methods)
    sizes = {f["figure"]: f["size"] for f in evidence.figures}
    for notebook in told:
        yield write("notebook.html", notebook.page, notebook=notebook, sizes=sizes)
    for table in tables:
        yield write("table.html", table["page"], table=table)
    states = summary["states"]["runs"]
    cell = ["study", "defense", "variant"]
    tidy = dict(list(evidence.tidy.groupby(cell, sort=False)))
    checks = dict(list(evidence.checks.groupby(cell, sort=False))) if len(evidence.checks) else {}
    for run in evidence.runs:
        key = (run.study, run.defense, run.variant)
        found = checks.get(key, evidence.checks.iloc[:0])
        yield write("run.html", run.page, **runs.page(run, tidy[key], found, evidence.methods, states))
    yield "site/search.js", search.script(evidence, papers, listed)


def _tables(evidence: Evidence, links: Links) -> Iterator[dict[str, Any]]:
    """The tables with linked cells, the long ones in parts."""
    for t in evidence.tables:
        parts = max(1, -(-len(t["rows"]) // ROWS))
        name = lambda part, t=t: f"site/tables/{t['table']}{f'-{part}' if part > 1 else ''}.html"
        for part in range(1, parts + 1):
            rows = t["rows"][(part - 1) * ROWS : part * ROWS]
            cells = [links.row(t["table"], t["header"], row) for row in rows]
            yield {
                **t,
                "page": name(part),
                "part": part,
                "parts": [to(name(p)) for p in range(1, parts + 1)],
                "cells": cells,
                "columns": [(names.attack(c), numeric(cells, i)) for i, c in enumerate(t["header"])],
            }
