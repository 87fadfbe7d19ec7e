"""The search index: one entry a page or section, as a script, since a page from disk may not fetch a file."""

import json
from collections.abc import Iterator
from typing import Any

from redoubt.reports.names import attack, label
from redoubt.reports.site.evidence import Evidence
from redoubt.reports.site.links import anchor, to
from redoubt.reports.site.verdicts import Paper, place

OBJECT = "redoubt challenge --examples adv.npz --attack file.py:attack object examples"


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
        add("run", r.path, f"{label(f'{r.defense}/{r.variant}')} {r.about}", to(r.page))
    for study, name, family, stages, page, count in _attacks(evidence):
        text = f"{name} {family} {stages}, {study}, faced by {count} runs"
        add("attack", attack(name), text, to(page, anchor("attack", name)))
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
        for c in p.judged[:1]:
            add(
                "how to object",
                f"challenge: send adversarial examples or an attack against {p.name}",
                OBJECT,
                place(c, papers),
            )
    for p in papers:
        for c in p.claims:
            text = " ".join(str(c[k]) for k in ("id", "study", "verdict") if c.get(k))
            add("claim", str(c["claim"]), f"{p.name} {text}", place(c, papers))
    return f"window.redoubtIndex = {json.dumps(entries, ensure_ascii=True)};\n"


def _attacks(evidence: Evidence) -> Iterator[tuple[str, str, str, str, str, int]]:
    """Each attack of a study once: study, name, family, parts, page of the first run that faced it, how many did."""
    faced: dict[tuple[str, str], list[tuple[dict[str, Any], str]]] = {}
    for run in evidence.runs:
        for name, e in {e["name"]: e for s in run.seeds for e in s.record["evaluations"]}.items():
            faced.setdefault((run.study, name), []).append((e, run.page))
    for (study, name), found in faced.items():
        e, page = found[0]
        stages = " ".join(s["name"].replace("_", "-") for s in (e.get("info") or {}).get("stages", []))
        yield study, name, e["attack"], stages, page, len(found)
