"""The evidence in this repository: every record is the one that was shipped, and the page follows from them."""

import shutil

from redoubt.records import shipped
from redoubt.records.files import sha256
from redoubt.reports import carried
from tests.conftest import REPO

LEDGER = shipped.ledger(REPO)


def test_every_record_is_the_shipped_one():
    for study, told in LEDGER["studies"].items():
        for run, held in told["records"].items():
            variant, _, seed = run.rpartition("/seed")
            assert sha256(REPO / "results" / study / f"{run}.json") == held["result"], run
            if held["training"]:
                copy = shipped.copy_of_training(REPO, f"{study}/{variant}", int(seed))
                assert sha256(copy) == held["training"], run


def test_it_stays_small():
    files = [p for study in LEDGER["studies"] for p in (REPO / "results" / study).rglob("*.json")]
    assert sum(p.stat().st_size for p in files) < 25e6
    assert sum(p.stat().st_size for p in (REPO / "remote").rglob("*") if p.is_file()) < 41e6


def test_the_tracked_page_follows_from_the_tracked_records(tmp_path):
    shutil.copy(REPO / "reports" / "README.md", tmp_path)
    for path in carried.write(REPO, REPO / "claims", tmp_path):
        here = REPO / "reports" / path.relative_to(tmp_path)
        assert path.read_bytes() == here.read_bytes(), "run `redoubt evidence`"
