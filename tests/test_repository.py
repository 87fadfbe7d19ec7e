"""What every change keeps: pins without addresses, no path of a machine, the licence, the citation."""

import re
import subprocess

import yaml
from packaging.requirements import Requirement

from redoubt.reports import exhibits
from tests.conftest import REPO


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True).stdout.splitlines()
    return [REPO / name for name in listed if (REPO / name).is_file()]


def test_the_lock_pins_names_and_versions_only():
    lines = [r for r in (REPO / "requirements.lock").read_text().splitlines() if r and not r.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        requirement = Requirement(line)
        assert requirement.url is None
        assert [s.operator for s in requirement.specifier] == ["=="], line


def test_the_lock_holds_what_the_project_names():
    import tomllib

    pins = {
        Requirement(r).name.lower().replace("_", "-"): Requirement(r)
        for r in (REPO / "requirements.lock").read_text().splitlines()
        if r and not r.startswith("#")
    }
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for line in [*project["dependencies"], *extras]:
        wanted = Requirement(line)
        pinned = next(iter(pins[wanted.name.lower()].specifier)).version
        assert wanted.specifier.contains(pinned), line


def test_no_machine_path_and_no_registry_host():
    bad = re.compile(r"(?<![\w./])/(home|root|work|Users)/\w|pypi\.org|pythonhosted|registry\.npmjs")
    for path in tracked():
        if path.name == "test_repository.py" or path.suffix in {".png", ".webp"}:
            continue
        assert not bad.search(path.read_text(encoding="utf-8", errors="replace")), path


def test_licence_and_citation():
    assert "Apache License" in (REPO / "LICENSE").read_text()
    cited = yaml.safe_load((REPO / "CITATION.cff").read_text())["references"]
    numbers = {i["value"] for r in cited for i in r["identifiers"]}
    wanted = ("2211.00525", "2401.14948", "2401.14707", "2401.16352", "2402.00304")
    assert numbers == {f"arXiv:{n}" for n in wanted}


def test_ci_calls_the_command_in_the_readme():
    assert "make test" in (REPO / ".ci" / "run").read_text()
    assert "make test" in (REPO / "README.md").read_text()


def test_the_readme_lists_every_exhibit():
    """Made, or why not: each has its line, in the words of the list that the reports are made from."""
    text = (REPO / "README.md").read_text()
    missing = [e.name for e in exhibits.ALL.values() if f"| {e.paper} | {e.number} | {e.title} |" not in text]
    assert not missing
