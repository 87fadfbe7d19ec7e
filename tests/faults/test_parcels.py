"""A parcel is whole or refused; what lies here stays, whatever fails."""

import errno
import gzip
import hashlib
import io
import json
import tarfile

import pytest

from redoubt.errors import RedoubtError
from redoubt.records.files import read_record, write_record
from redoubt.workflow import archive
from tests.faults import made_up

RESULT = f"results/{made_up.RUN}/seed0.json"
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def project(tmp_path):
    return made_up.project(tmp_path / "project")


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def parcel(folder, files, study="smoke"):
    """A parcel of these files, with every hash as it should be."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "smoke.pack.000").write_bytes(held.getvalue())
    hashed = lambda content: hashlib.sha256(content).hexdigest()
    write_record(folder / "smoke.pack.json", {
        "schema": 1, "study": study, "parts": {"smoke.pack.000": hashed(held.getvalue())},
        "files": {name: hashed(content) for name, content in files.items()},
    })  # fmt: skip
    return folder / "smoke.pack.json"


def started(path, when):
    record = json.loads(path.read_text())
    record["provenance"]["started"] = when
    write_record(path, record)


def test_a_full_disk_leaves_the_parcel_that_was_there(project, tmp_path, monkeypatch):
    out = tmp_path / "out"
    listing = archive.pack(project, "smoke", out, part=1000)
    before = everything(out)
    started(project / RESULT, "2026-05-05T00:00:00Z")
    whole, calls = archive.write_whole, []

    def full(path, content):
        calls.append(path)
        if len(calls) > 2:
            raise RedoubtError("cannot write: No space left on device", file=path)
        whole(path, content)

    monkeypatch.setattr(archive, "write_whole", full)
    with pytest.raises(RedoubtError, match="No space"):
        archive.pack(project, "smoke", out, part=1000)
    assert everything(out) == before
    assert RESULT in archive.unpack(listing, tmp_path / "there")


def test_a_new_parcel_takes_the_place_of_the_earlier_one(project, tmp_path):
    out = tmp_path / "out"
    archive.pack(project, "smoke", out)
    started(project / RESULT, "2026-05-05T00:00:00Z")
    archive.pack(project, "smoke", out)
    assert len(list(out.iterdir())) == 2


LATER, EARLIER = "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def folder_in_the_way(there):
    (there / "results" / made_up.RUN / "seed1.json").mkdir(parents=True)


def file_in_the_way(there):
    (there / "results").mkdir(parents=True)
    (there / "results" / "smoke").write_text("a file")


def newer_result(there):
    started(_result_of(there), LATER)


def _result_of(there):
    made_up.project(there)
    return there / RESULT


def newer_training(there):
    made_up.project(there)
    started(there / "checkpoints" / made_up.RUN / "seed1" / "record.json", LATER)


IN_THE_WAY = {
    "a folder": (folder_in_the_way, "a folder lies where this file belongs"),
    "a file": (file_in_the_way, "cannot unpack"),
    "a newer result": (newer_result, "older than what is here"),
    "a newer training": (newer_training, "older than what is here"),
}


@pytest.mark.parametrize("fault", IN_THE_WAY)
def test_what_lies_here_stays(project, tmp_path, fault):
    prepare, words = IN_THE_WAY[fault]
    listing, there = archive.pack(project, "smoke", tmp_path / "out"), tmp_path / "there"
    prepare(there)
    before = everything(there)
    with pytest.raises(RedoubtError, match=words):
        archive.unpack(listing, there)
    assert everything(there) == before


def test_an_older_record_is_replaced(project, tmp_path):
    listing, there = archive.pack(project, "smoke", tmp_path / "out"), tmp_path / "there"
    started(_result_of(there), EARLIER)
    archive.unpack(listing, there)
    assert (there / RESULT).read_bytes() == (project / RESULT).read_bytes()


def test_a_disk_that_is_full_in_the_middle(project, tmp_path, monkeypatch):
    listing, there = archive.pack(project, "smoke", tmp_path / "out"), tmp_path / "there"
    started(_result_of(there), EARLIER)
    before, replace, calls = everything(there), archive.os.replace, []

    def full(old, new):
        calls.append(new)
        if len(calls) == 4:
            raise FULL
        replace(old, new)

    monkeypatch.setattr(archive.os, "replace", full)
    with pytest.raises(RedoubtError, match="No space left"):
        archive.unpack(listing, there)
    assert everything(there) == before


def steps_taken_back(project):
    partial = project / "results" / made_up.RUN / "seed2.partial"
    write_record(partial, {"schema": 1, "steps": {"a": {}, "b": {}}})
    return partial


def test_an_older_partial_file(project, tmp_path):
    partial = steps_taken_back(project)
    listing = archive.pack(project, "smoke", tmp_path / "out")
    write_record(partial, {"schema": 1, "steps": {"a": {}, "b": {}, "c": {}}})
    with pytest.raises(RedoubtError, match="older than what is here"):
        archive.unpack(listing, project)
    assert set(read_record(partial, "")["steps"]) == {"a", "b", "c"}


HOSTILE = {
    "no record": ({RESULT: b"{}"}, "holds a record that is none"),
    "a record of another place": ({f"results/{made_up.RUN}/seed7.json": None}, "holds a record that is none"),
    "no training record": (
        {f"checkpoints/{made_up.RUN}/seed0/record.json": b"5"},
        "holds a record that is none",
    ),
    "a long name": ({f"results/smoke/{'x' * 300}": b"x"}, "cannot unpack: File name too long"),
    "a way out": ({"results/smoke/../../../x": b"x"}, "does not list"),
    "another study": ({"results/other/x": b"x"}, "does not list"),
    "an absolute path": ({"/results/smoke/x": b"x"}, "does not list"),
    "a bomb": ({"results/smoke/x": bytes(300 * 2**20)}, "more than 200 times its size"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_parcel(project, tmp_path, redoubt, fault):
    files, words = HOSTILE[fault]
    files = {name: (project / RESULT).read_bytes() if held is None else held for name, held in files.items()}
    there = tmp_path / "there"
    code, said = redoubt("unpack", parcel(tmp_path / "out", files), "--root", there)
    assert code == 1
    assert words in said
    assert not there.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"parts": 5, "files": {}, "study": "smoke"},
        {"parts": {}, "files": {"a": 1}, "study": "smoke"},
        {"parts": {}},
    ],
)
def test_a_hostile_list(tmp_path, redoubt, content):
    write_record(tmp_path / "smoke.pack.json", content)
    code, said = redoubt("unpack", tmp_path / "smoke.pack.json", "--root", tmp_path / "there")
    assert code == 1
    assert "smoke.pack.json" in said


@pytest.mark.parametrize("name", [".", "nothing.pack.json"])
def test_what_is_no_list(tmp_path, redoubt, name):
    code, said = redoubt("unpack", tmp_path / name, "--root", tmp_path / "there")
    assert code == 1
    assert "record" in said


def test_broken_compression(tmp_path, redoubt):
    listing = parcel(tmp_path / "out", {"results/smoke/x": b"x" * 1000})
    part = tmp_path / "out" / "smoke.pack.000"
    part.write_bytes(gzip.compress(b"no archive")[:-4])
    content = read_record(listing, "")
    write_record(listing, {**content, "parts": {part.name: hashlib.sha256(part.read_bytes()).hexdigest()}})
    code, said = redoubt("unpack", listing, "--root", tmp_path / "there")
    assert code == 1
    assert "cannot be opened" in said
