"""What several tests need: the repository, one thread, and a project folder that runs the smoke study."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from redoubt import data
from redoubt.config import Run, load_study, resolve
from tests.small_models import robust_model, robust_models, undefended_model  # noqa: F401 (fixtures)

REPO = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)

STUDY = (REPO / "studies" / "smoke.yaml").read_text()

LEDGER = """
stages:
  prepare:
    cmd: snakemake --cores 1 data/smoke/record.json
    outs:
      - data/smoke: {persist: true}
  train:
    matrix:
      study: [smoke]
      run: [standard/main, pgd_at/main]
    cmd: snakemake --cores 1 checkpoints/${item.study}/${item.run}/seed0/record.json
    outs:
      - checkpoints/${item.study}/${item.run}: {persist: true}
"""


class Project:
    """A project folder: `begin` fills it with the code and a config that names the smoke study."""

    def __init__(self, folder: Path):
        self.folder = folder

    def begin(self) -> "Project":
        folder = self.folder
        for name in ("src", "profiles", "notebooks"):
            shutil.copytree(
                REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        (folder / "studies").mkdir()
        shutil.copy(REPO / "studies" / "smoke.yaml", folder / "studies")
        shutil.copy(REPO / "Snakefile", folder)
        shutil.copy(REPO / ".gitignore", folder)
        (folder / "dvc.yaml").write_text(LEDGER)
        self.start_from("scratch")
        return self

    def copied(self, to: Path) -> "Project":
        shutil.copytree(self.folder, to)
        return Project(to)

    def start_from(self, depth: str) -> None:
        (self.folder / "config.yaml").write_text(
            f"studies: {{smoke: {{start_from: {depth}}}}}\nmirror: null\n"
        )

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
        """A command in the folder, on this copy of the code."""
        env = {**os.environ, "PYTHONPATH": str(self.folder / "src"), **environment}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=600)
        if check and done.returncode:
            raise AssertionError(f"{command} failed:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """What Snakemake says, both streams."""
        done = self.run("snakemake", "--cores", "2", *arguments, check=check)
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function of a name and of what fills an empty folder: the first worker that asks fills it, all others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = base / "shared" / name, base / "shared" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def project(shared, tmp_path_factory) -> Project:
    """A project in a folder whose name has a space, with the smoke study run once; each worker's copy of it."""
    made = shared("a project", lambda folder: Project(_empty(folder / "with space")).begin().snakemake())
    return Project(made / "with space").copied(tmp_path_factory.mktemp("a project") / "with space")


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def images(shared) -> Path:
    """The smoke study's images, not to be changed."""
    return shared("images", lambda f: data.prepare("digits", f / "smoke", validation=50, test=60, train=256))


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A project in which nothing has run."""
    return Project(_empty(tmp_path / "fresh project")).begin()


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real images and published weights, or a skipped test."""
    folder = Path(os.environ.get("REDOUBT_MIRROR", REPO / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("no mirror with real images (REDOUBT_MIRROR)")
    return folder


@pytest.fixture
def root(images, tmp_path) -> Path:
    """A folder with the smoke study and its images."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "smoke.yaml").write_text(STUDY)
    shutil.copytree(images, tmp_path / "data")
    return tmp_path


def run_of(root: Path, name: str = "pgd_at/main", seed: int = 0) -> Run:
    """A run of the smoke study that lies in `root`."""
    study = load_study(root / "studies" / "smoke.yaml")
    return next(v for v in resolve(study) if v.name == name).run(seed)
