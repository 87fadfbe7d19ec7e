"""What every change keeps: pins without addresses, no path of a machine, the license, the citation."""

import re
import subprocess

import yaml
from packaging.requirements import Requirement

from tests.conftest import REPO


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True).stdout.splitlines()
    return [REPO / name for name in listed if (REPO / name).is_file()]


def pinned(lock: str) -> list[str]:
    return [r for r in (REPO / lock).read_text().splitlines() if r and not r.startswith("#")]


def test_the_locks_pin_names_and_versions_only():
    assert len(pinned("requirements.lock")) > 50
    for line in [*pinned("requirements.lock"), *pinned("requirements-elsewhere.lock")]:
        requirement = Requirement(line)
        assert requirement.url is None
        assert [s.operator for s in requirement.specifier] == ["=="], line


def test_the_locks_hold_what_the_project_names():
    import tomllib

    pins = {
        Requirement(r).name.lower().replace("_", "-"): Requirement(r)
        for r in [*pinned("requirements.lock"), *pinned("requirements-elsewhere.lock")]
    }
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for line in [*project["dependencies"], *extras]:
        wanted = Requirement(line)
        version = next(iter(pins[wanted.name.lower()].specifier)).version
        assert wanted.specifier.contains(version), line


def test_no_machine_path_and_no_registry_host():
    bad = re.compile(r"(?<![\w./])/(home|root|work|Users)/\w|pypi\.org|pythonhosted|registry\.npmjs")
    for path in tracked():
        if path.name == "test_repository.py" or path.suffix in {".png", ".webp"}:
            continue
        assert not bad.search(path.read_text(encoding="utf-8", errors="replace")), path


def test_license_and_citation():
    assert "Apache License" in (REPO / "LICENSE").read_text()
    cited = yaml.safe_load((REPO / "CITATION.cff").read_text())["references"]
    numbers = {i["value"] for r in cited for i in r["identifiers"]}
    wanted = ("2211.00525", "2401.14948", "2401.14707", "2401.16352", "2402.00304")
    assert numbers == {f"arXiv:{n}" for n in wanted}


def test_ci_calls_the_command_in_the_readme():
    workflow = yaml.safe_load((REPO / ".github" / "workflows" / "ci.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert "make test" in [step.get("run") for step in steps]
    (python,) = [step["with"] for step in steps if "setup-python" in step.get("uses", "")]
    assert (REPO / python["cache-dependency-path"]).is_file()
    assert "make test" in (REPO / ".ci" / "run").read_text()
    assert "make test" in (REPO / "README.md").read_text()


def test_every_command_of_lint_has_a_hook():
    hooks = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"] for repo in hooks for hook in repo["hooks"]}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (REPO / "Makefile").read_text(), re.M)[1]
    assert {line.strip() for line in lint.splitlines()} <= entries
    assert {repo["repo"] for repo in hooks} == {"local"}
