"""The search index: one entry a page or section, as a script, since a page from disk may not fetch a file."""

import json
from typing import Any

from redoubt.reports.site.evidence import Evidence
from redoubt.reports.site.links import anchor, to
from redoubt.reports.site.verdicts import Paper, mark


def script(evidence: Evidence, papers: list[Paper], pages: dict[str, str]) -> str:
    """The text of `search.js`.

    Args:
        pages: name of a table -> address of its page.
    """
    entries: list[dict[str, Any]] = []
    add = lambda kind, title, text, href: entries.append(
        {"kind": kind, "title": title, "text": text, "href": href}
    )
    for p in papers:
        add("paper", p.title, f"{p.name} {p.key}", to(p.page))
    for r in evidence.runs:
        add("run", r.path, r.about, to(r.page))
    for m in evidence.methods:
        title = f"Fidelity: {m.method}"
        add("fidelity", title, " ".join(m.defenses), to("site/fidelity.html", anchor("fidelity", m.method)))
    for t in evidence.tables:
        add("table", t["title"], f"{t['table']} {t['caption']}", pages[t["table"]])
    places = {f["figure"]: p.page for p in papers for f in p.figures}
    for f in evidence.figures:
        page = places.get(f["figure"], "index.html")
        add("figure", f.get("title", f["figure"]), f["caption"], to(page, anchor("figure", f["figure"])))
    for p in papers:
        for c in p.claims:
            text = " ".join(str(c[k]) for k in ("id", "study", "verdict") if c.get(k))
            add("claim", str(c["claim"]), f"{p.name} {text}", to(p.page, mark(c)))
    return f"window.redoubtIndex = {json.dumps(entries, ensure_ascii=True)};\n"
