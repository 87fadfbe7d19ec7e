"""What a person names, a folder or a mirror, reaches a command as one word; a run that cannot move says so."""

import shutil

import pytest

from tests.conftest import Project

HOSTILE = 'it\'s "a"; touch run #'


def test_names_are_words_and_not_commands(fresh, tmp_path):
    """The code lies in such a folder, the mirror has such a name, the run is elsewhere."""
    code = tmp_path / HOSTILE
    shutil.move(fresh.folder, code)
    (code / "claims").mkdir()
    (code / "docs" / "fidelity").mkdir(parents=True)
    here = Project(tmp_path / "here")
    (here.folder / "studies").mkdir(parents=True)
    shutil.copytree(code / "studies", here.folder / "studies", dirs_exist_ok=True)
    shutil.copytree(code / "src", here.folder / "src")
    (here.folder / "config.yaml").write_text(
        "studies: {smoke: {start_from: scratch}}\nmirror: \"x'; touch run; echo '\"\n"
    )
    snakefile = str(code / "Snakefile")
    here.snakemake("-s", snakefile, "data/smoke/record.json")
    assert (here.folder / "data" / "smoke" / "record.json").is_file()
    said = here.snakemake("-s", snakefile, "-n", "-p", "-F")
    assert "redoubt claims" in said
    for rule in ("redoubt claims", "redoubt site", "jupytext"):
        (line, *_) = [line for line in said.splitlines() if rule in line]
        assert '\'"\'"\'s "a"; touch run #' in line
    assert not list(tmp_path.rglob("run"))


@pytest.mark.parametrize("words", [("--cores", "0")])
def test_a_run_without_a_core(fresh, words):
    done = fresh.run("snakemake", *words, "data/smoke/record.json", check=False)
    assert done.returncode != 0
    assert "--cores 1 or more" in done.stdout + done.stderr
