"""Commands that only read and plan never import torch: here an attempt ends the process."""

import os
import shutil

import pytest

from tests.conftest import REPO

CODE = 97
REFUSAL = f"""
import os, sys, traceback


class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            traceback.print_stack()
            os._exit({CODE})


sys.meta_path.insert(0, Refusal())
"""

COMMANDS = {
    "help": ["redoubt", "--help"],
    "help of a command": ["redoubt", "train", "--help"],
    "show": ["redoubt", "show", "smoke/pgd_at/main"],
    "verify": ["redoubt", "verify"],
    "claims": ["redoubt", "claims", "--folder", str(REPO / "claims"), "--out", "{elsewhere}/claims.json"],
    "plan": ["redoubt", "plan"],
    "dry run": ["snakemake", "--cores", "1", "--dry-run"],
}


@pytest.fixture
def refused(tmp_path, project):
    """What runs a command on the project with torch refused."""
    (tmp_path / "sitecustomize.py").write_text(REFUSAL)
    path = os.pathsep.join([str(tmp_path), str(project.folder / "src")])

    def run(*command, check=True):
        return project.run(*command, check=check, PYTHONPATH=path)

    return run


def test_an_attempt_is_seen(refused):
    assert refused("python", "-c", "import torch", check=False).returncode == CODE


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_without_torch(refused, command, tmp_path):
    assert refused(*(word.format(elsewhere=tmp_path) for word in command)).stdout


def test_schema_without_torch(refused, tmp_path):
    shutil.copytree(REPO / "studies", tmp_path / "studies")
    (tmp_path / "docs").mkdir()
    refused("redoubt", "schema", "--root", str(tmp_path))
    for file in ("studies/schema.json", "studies/defaults.md", "docs/exhibits.md"):
        assert (tmp_path / file).read_bytes() == (REPO / file).read_bytes()
