"""Recorded weights over real servers: push, clone, pull, judge; and what can go wrong on the way."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.slurm import until
from tests.conftest import Project
from tests.stores.servers import Store, absent, client, started

pytestmark = pytest.mark.slow

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
KINDS = ["rclone", "seaweedfs", "sshd"]
BIG = 96 << 20  # bytes of a file whose way takes long enough to be cut


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    """The kind of server, or a skipped test."""
    pytest.importorskip("dvc_ssh" if request.param == "sshd" else "dvc_s3")
    if why := absent(request.param):
        pytest.skip(why)
    return request.param


@pytest.fixture(scope="module")
def recorded(project, tmp_path_factory) -> Project:
    """The smoke study with its data and weights in the ledger."""
    author = project.copied(tmp_path_factory.mktemp("the author") / "project")
    author.run("git", "init", "-q")
    author.run("dvc", "init", "-q")
    author.run("dvc", "commit", "--force", "-q")
    author.run("git", "add", "-A")
    author.run(*GIT, "commit", "-qm", "record")
    return author


def attach(project: Project, store: Store, verify: bool = True, **changed: str) -> None:
    """As docs/run-elsewhere.md says: the address for everybody, what is secret for this clone."""
    told = {"url": store.url, "verify": str(verify).lower()}
    text = "".join(f"    {k} = {v}\n" for k, v in told.items())
    (project.folder / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n{text}"
    )
    text = "".join(f"    {k} = {v}\n" for k, v in {**store.options, **changed}.items())
    (project.folder / ".dvc" / "config.local").write_text(f"['remote \"store\"']\n{text}")


def cloned(author: Project, to: Path) -> Project:
    author.run("git", "clone", "-q", str(author.folder), str(to))
    return Project(to)


def dvc(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    done = project.run("dvc", *arguments, check=False)
    assert "Traceback" not in done.stderr
    return done


def files(project: Project) -> dict[str, bytes]:
    folders = [project.folder / "checkpoints", project.folder / "data"]
    paths = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    return {p.relative_to(project.folder).as_posix(): p.read_bytes() for p in paths}


def test_pushed_cloned_pulled_and_judged(kind, recorded, tmp_path):
    with started(kind, tmp_path / "server") as store:
        attach(recorded, store)
        assert dvc(recorded, "push").returncode == 0
        clone = cloned(recorded, tmp_path / "clone")
        attach(clone, store)
        assert dvc(clone, "pull").returncode == 0
    assert files(clone) == files(recorded)
    clone.start_from("checkpoints")
    if kind != "rclone":  # the same bytes are judged alike: once is enough
        assert "Train " not in clone.snakemake("--dry-run", "reports/all_tables")
        return
    assert "Train " not in clone.snakemake("reports/all_tables")
    for name in ("main", "variants", "pairs", "evidence", "training"):
        path = f"reports/tables/{name}.csv"
        assert (clone.folder / path).read_bytes() == (recorded.folder / path).read_bytes()


def test_wrong_credentials_are_said_so_and_leave_nothing(kind, recorded, tmp_path):
    with started(kind, tmp_path / "server") as store:
        attach(recorded, store)
        assert dvc(recorded, "push").returncode == 0
        clone = cloned(recorded, tmp_path / "clone")
        wrong = "wrong" if kind != "sshd" else str(tmp_path / "server" / "stranger")
        attach(clone, store, **{store.secret: wrong})
        for command in ("pull", "push"):
            done = dvc(clone, command)
            assert done.returncode
            assert "Forbidden" in done.stderr or "Permission denied" in done.stderr, done.stderr
        assert files(clone) == {}


def test_a_server_that_dies_in_a_push_and_comes_back(kind, recorded, tmp_path):
    author = recorded.copied(tmp_path / "author")
    big = author.folder / "checkpoints" / "smoke" / "standard" / "main" / "big"
    big.write_bytes(os.urandom(BIG))
    author.run("dvc", "commit", "--force", "-q")
    author.run("git", "add", "-A")
    author.run(*GIT, "commit", "-qm", "more")
    server = tmp_path / "server"
    with started(kind, server) as store:
        attach(author, store)
        before = size(server)
        env = {**os.environ, "PYTHONPATH": str(author.folder / "src")}
        with open(tmp_path / "said", "w") as said:
            push = subprocess.Popen(["dvc", "push"], cwd=author.folder, env=env, stdout=said, stderr=said)
        until(lambda: size(server) > before + (4 << 20) or push.poll() is not None, "some megabytes")
        store.die()
        assert push.wait(300) != 0
        assert "Traceback" not in (tmp_path / "said").read_text()
    with started(kind, server) as store:
        attach(author, store)
        assert dvc(author, "push").returncode == 0
        clone = cloned(author, tmp_path / "clone")
        attach(clone, store)
        done = dvc(clone, "pull")
        if kind == "rclone" and done.returncode:
            # It writes objects in place: half of one lies there, and a push takes what lies there for whole.
            assert "failed to transfer" in done.stderr
            assert files(clone).items() <= files(author).items()
            for name in re.findall(r"failed to transfer '([0-9a-f]{32})", done.stderr):
                (store.files / "files" / "md5" / name[:2] / name[2:]).unlink()
            assert dvc(author, "push").returncode == 0
            done = dvc(clone, "pull")
        assert done.returncode == 0, done.stderr
        assert files(clone) == files(author)


def size(folder: Path) -> int:
    """Bytes of all files below."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def test_an_object_that_was_changed_on_the_server(kind, recorded, tmp_path):
    with started(kind, tmp_path / "server") as store:
        attach(recorded, store)
        assert dvc(recorded, "push").returncode == 0
        undo = flip(store, recorded)
        clone = cloned(recorded, tmp_path / "clone")
        attach(clone, store)
        done = dvc(clone, "pull")
        assert done.returncode == 1
        assert "failed to pull" in done.stderr
        assert WEIGHTS not in files(clone)
        # Without `verify`, DVC takes it: our own check names it, and a second pull does not mend it.
        attach(clone, store, verify=False)
        assert dvc(clone, "pull").returncode == 0
        said = clone.run("redoubt", "verify", check=False)
        assert said.returncode == 1
        assert WEIGHTS in said.stdout
        undo()
        attach(clone, store)
        shutil.rmtree(clone.folder / ".dvc" / "cache")  # what the hint says
        shutil.rmtree(clone.folder / "checkpoints" / "smoke" / "standard" / "main")
        assert dvc(clone, "pull").returncode == 0
        assert files(clone) == files(recorded)


WEIGHTS = "checkpoints/smoke/standard/main/seed0/best.safetensors"


def flip(store: Store, project: Project):
    """Flips a bit of an object; a function that flips it back."""
    import hashlib

    whole = (project.folder / WEIGHTS).read_bytes()
    md5 = hashlib.md5(whole).hexdigest()
    name = f"files/md5/{md5[:2]}/{md5[2:]}"
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1

    def put(content: bytes) -> None:
        if store.url.startswith("s3"):
            client(store).put_object(Bucket="bucket", Key=f"redoubt/{name}", Body=content)
        else:
            (store.files / name).chmod(0o644)
            (store.files / name).write_bytes(content)

    put(bytes(changed))
    return lambda: put(whole)
