"""A disk that is full or read-only: every command says so, with the file, and nothing that was there is gone."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.faults import made_up

RESULT, RECORD = f"results/{made_up.RUN}/seed0.json", f"checkpoints/{made_up.RUN}/seed0/record.json"
COMMANDS = {
    "prepare": ("prepare", "smoke"),
    "train": ("train", made_up.RUN, "--device", "cpu", "--seed", "1"),
    "audit": ("audit", made_up.RUN, "--device", "cpu", "--seed", "0"),
    "record": ("record", "smoke", "--device", "cpu", "--minutes", "0"),
    "pack": ("pack", "smoke", "out"),
    "claims": ("claims",),
    "tables": ("tables", RESULT, "--record", RECORD),
    "site": ("site", RESULT, "--record", RECORD),
    "exhibits": ("exhibits",),
    "fidelity": ("fidelity", "--folder", "claims"),
}
WRITES = [
    (os, "replace"),
    (os, "rename"),
    (os, "mkdir"),
    (os, "unlink"),
    (Path, "unlink"),
    (Path, "write_bytes"),
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = made_up.project(tmp_path / "project", seeds=(0,))
    (folder / "config.yaml").write_text("studies: {smoke: {}}\n")
    (folder / "claims").mkdir()
    monkeypatch.chdir(folder)
    return folder


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC], ids=["read-only", "full"])
def test_what_cannot_be_written(project, images, redoubt, monkeypatch, command, number):
    if command in ("train", "audit"):
        shutil.copytree(images / "smoke", project / "data" / "smoke")
    before = everything(project)

    def refused(*_, **__):
        raise OSError(number, os.strerror(number), "here")

    redoubt("verify")  # modules that write their bytecode are loaded
    for owner, name in WRITES:
        monkeypatch.setattr(owner, name, refused)
    code, said = redoubt(*COMMANDS[command])
    monkeypatch.undo()
    assert code == 1
    assert os.strerror(number).lower() in said.lower() or "read-only" in said or "no space" in said
    assert everything(project) == before
