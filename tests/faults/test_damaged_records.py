"""Records with a field that is missing, null or of another kind, their hash written anew: a message, no traceback."""

import copy
import json
import os
import random
import shutil

import pytest

from redoubt.audit import recorded, reported
from redoubt.claims import report
from redoubt.data.writing import content_hash, record_hash
from redoubt.records.files import sealed, write_record
from redoubt.reports import site, tables
from redoubt.reports.figures.listing import listing
from tests.faults import made_up

RECORDS = {
    "result": f"results/{made_up.RUN}/seed0.json",
    "training": f"checkpoints/{made_up.RUN}/seed0/record.json",
}
COMMANDS = {
    "verify": ("verify",),
    "show": ("show", made_up.RUN),
    "claims": ("claims", "--folder", "claims"),
    "tables": ("tables", RECORDS["result"], "--record", RECORDS["training"]),
}
CLAIMS = """
paper: "1706.06083"
title: T
claims:
  - {id: a, claim: it is so, source: paper, status: s, value: 50.0,
     number: {run: pgd_at/main, attack: fgsm, eps: 0.1}}
  - {id: b, claim: it is so, source: paper, status: s,
     judge: [{left: pgd_at/main, value: 0.1, measure: accuracy, attack: worst, expect: higher}]}
  - {id: c, claim: it is so, source: paper, status: s,
     judge: [{left: pgd_at/main, value: 0.1, measure: fluctuation, expect: lower}]}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = made_up.project(tmp_path_factory.mktemp("records") / "project", seeds=(0,))
    (folder / "claims").mkdir()
    (folder / "claims" / "toy.yaml").write_text(CLAIMS)
    return folder


def places(content, at=()):
    """The path of every field of a record, of lists the first entry."""
    inner = content.items() if isinstance(content, dict) else enumerate(content[:1])
    for key, value in inner:
        yield (*at, key)
        if isinstance(value, dict | list) and key not in ("modules", "versions", "sources"):
            yield from places(value, (*at, key))


def other_kind(value):
    if isinstance(value, str):
        return 5
    return {dict: [], list: {}, bool: "x", int: "x", float: [1.5]}.get(type(value), {"x": 1})


def harmed(content, at, how):
    """A copy of a record with one field dropped, nulled or of another kind."""
    made = copy.deepcopy(content)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    if how == "dropped":
        del inner[at[-1]]
    else:
        inner[at[-1]] = None if how == "null" else other_kind(inner[at[-1]])
    return made


def test_whole_records_are_shown(whole, redoubt, monkeypatch):
    monkeypatch.chdir(whole)
    assert {name: redoubt(*command)[0] for name, command in COMMANDS.items()} == dict.fromkeys(COMMANDS, 0)


HOW = ("dropped", "null", "other kind")


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("how", HOW)
def test_a_field_is_harmed(whole, redoubt, monkeypatch, kind, how):
    """Every ninth field; each of them where REDOUBT_ALL_FAULTS is set."""
    monkeypatch.chdir(whole)
    path = whole / RECORDS[kind]
    held = path.read_bytes()
    content = json.loads(held)
    every = [p for p in places(content) if p != ("sha256",)]
    found = []
    for at in every if "REDOUBT_ALL_FAULTS" in os.environ else every[HOW.index(how) :: 9]:
        path.write_bytes(sealed(harmed(content, at, how)))
        for name, command in COMMANDS.items():
            try:
                code, said = redoubt(*command)
                right = code == 0 or (code == 1 and made_up.RUN in said)
            except Exception as error:
                right, said = False, repr(error)
            found += [] if right else [(name, ".".join(map(str, at)), said[-300:])]
    path.write_bytes(held)
    assert not found


@pytest.fixture(scope="module")
def shown(whole, images, tmp_path_factory):
    """The project with tables, claims, lists and pages, and its images."""
    folder = tmp_path_factory.mktemp("shown") / "project"
    shutil.copytree(whole, folder)
    shutil.copytree(images, folder / "data", dirs_exist_ok=True)
    reports, records = folder / "reports", [folder / p for p in RECORDS.values()]
    tables.write(tables.build(records[:1], records[1:]), reports / "tables", reports / "all_tables")
    report.write(report.build(folder / "claims", records[:1], records[1:]), reports / "claims.json")
    (reports / "figures").mkdir()
    listing(reports / "figures", reports / "all_figures")
    write_record(reports / "exhibits.json", {"studies": {}, "exhibits": []})
    (reports / "notebooks").mkdir()
    (reports / "notebooks" / "a.ipynb").write_text(json.dumps({"cells": []}))
    site.write(reports, records[:1], records[1:])
    return folder


WATCHED = [
    "data/smoke/record.json", "reports/all_tables", "reports/all_figures", "reports/exhibits.json",
    "reports/claims.json", "reports/index.html", "reports/ro-crate-metadata.json", "reports/tables/main.csv",
    "reports/tables/evidence.md", "reports/notebooks/a.ipynb", "reports/site/records/**/*.json", "reports/site/*.js",
    *RECORDS.values(), f"checkpoints/{made_up.RUN}/seed0/best.safetensors",
]  # fmt: skip


@pytest.mark.parametrize("watched", WATCHED)
def test_a_bit_is_flipped(shown, watched):
    (path, *_) = sorted(p for p in shown.glob(watched) if p.is_file())
    held, draw = path.read_bytes(), random.Random(watched)
    part = {
        "data": recorded.images,
        "reports": reported.reports,
        "results": recorded.judged,
        "checkpoints": recorded.weights,
    }
    found = part[watched.split("/")[0]]
    before = set(found(shown))
    missed = []
    for _ in range(24):
        at, bit = draw.randrange(len(held)), draw.randrange(8)
        harmed = bytearray(held)
        harmed[at] ^= 1 << bit
        path.write_bytes(harmed)
        if not any(f.state == "bad" for f in set(found(shown)) - before):
            missed.append((at, bit, held[at - 20 : at + 20]))
    path.write_bytes(held)
    assert not missed


LEDGERS = [
    "stages:\n  a:\n    outs:\n    - path: data/smoke\n      md5:",
    "stages: [",
    "stages:\n  a: 5",
    "- 1",
    "",
    "5",
]


@pytest.mark.parametrize("content", LEDGERS)
def test_a_ledger_is_cut(shown, redoubt, content):
    (shown / "dvc.lock").write_text(content)
    try:
        code, said = redoubt("verify", "--root", shown)
    finally:
        (shown / "dvc.lock").unlink()
    assert code == 1
    assert "dvc.lock: this is not a ledger" in said


@pytest.mark.parametrize(
    "harm", [{"files": 5}, {"info": []}, {"splits": None}, {"extra": 1}, {"request": "x"}]
)
def test_a_record_of_images_is_harmed(shown, redoubt, harm):
    path = shown / "data" / "smoke" / "record.json"
    held = path.read_bytes()
    record = {**json.loads(held), **harm}
    record["sha256"] = content_hash(record)
    record["record_sha256"] = record_hash(record)
    path.write_text(json.dumps(record))
    try:
        code, said = redoubt("attack", made_up.RUN, "--root", shown, "--device", "cpu")
    finally:
        path.write_bytes(held)
    assert code == 1
    assert "record.json" in said
