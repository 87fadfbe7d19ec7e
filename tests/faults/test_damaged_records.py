"""Records with a field that is missing, null or of another kind, their hash written anew: a message, no traceback."""

import copy
import json
import os

import pytest

from redoubt.records.files import sealed
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
                right = code == 0 or (code == 1 and RECORDS[kind] in said)
            except Exception as error:
                right, said = False, repr(error)
            found += [] if right else [(name, ".".join(map(str, at)), said[-300:])]
    path.write_bytes(held)
    assert not found
