"""The warm process: the same bytes as a process of its own, and no kill that a run does not survive."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from redoubt.cli.warm import Warm
from redoubt.records.files import sha256

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the warm process needs Linux")
RUN = "smoke/pgd_at/main"


def started(root, *command: str, **environment: str) -> subprocess.Popen:
    """`redoubt` with the variables that Snakemake gives a job of one thread."""
    names = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
    threads = {f"{name}_NUM_THREADS": "1" for name in names} | {"VECLIB_MAXIMUM_THREADS": "1"}
    here = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    return subprocess.Popen(
        [sys.executable, "-m", "redoubt.cli.start", *command],
        cwd=root, env={**here, **threads, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen) -> tuple[int, str]:
    text, _ = process.communicate(timeout=300)
    return process.returncode, text


def children(pid: int) -> list[int]:
    path = f"/proc/{pid}/task/{pid}/children"
    return [int(c) for c in open(path).read().split()]


def until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def hashes(root) -> dict[str, str]:
    return {p.parent.name: sha256(p) for p in root.rglob("best.safetensors")}


@pytest.fixture
def root(root):
    """The smoke study, long enough to be seen and to be killed."""
    study = root / "studies" / "smoke.yaml"
    study.write_text(study.read_text().replace("epochs: 2", "epochs: 40"))
    return root


@pytest.fixture
def warm(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # another one at each phase of a test
    kept = Warm()
    kept.start()
    yield kept
    kept.stop()
    assert "REDOUBT_WARM" not in os.environ


def test_a_forked_job_writes_the_bytes_of_a_process_of_its_own(root, warm):
    job = started(root, "train", RUN, "--device", "cpu")
    until(lambda: children(warm._process.pid))  # it is the warm process that works
    assert ended(job)[0] == 0
    forked = hashes(root)
    assert ended(started(root, "train", RUN, "--device", "cpu", REDOUBT_WARM=""))[0] == 0
    assert hashes(root) == forked
    assert len(forked) == 2


def test_errors_and_exit_codes_come_back(root, warm):
    code, text = ended(started(root, "train", "smoke/nope/main"))
    assert code == 1
    assert "unknown run" in text
    assert ended(started(root, "train"))[0] == 2


def test_another_environment_is_not_served(root, warm):
    job = started(root, "train", "smoke/nope/main", ATEN_CPU_CAPABILITY="default")
    assert ended(job)[0] == 1
    assert children(warm._process.pid) == []


def test_a_client_that_leaves_while_it_asks_does_not_stop_the_others(root, warm):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["REDOUBT_WARM"])
        socket.send_fds(connection, [(1000).to_bytes(8, "big")], [0, 1, 2])
    code, text = ended(started(root, "train", "smoke/nope/main"))
    assert code == 1, text


def test_a_killed_warm_process_leaves_the_job_to_its_command(root, warm):
    job = started(root, "train", RUN, "--device", "cpu")
    until(lambda: children(warm._process.pid))
    warm._process.kill()
    assert ended(job)[0] == 0
    assert len(hashes(root)) == 2


def test_the_work_of_a_killed_command_is_killed(root, warm):
    job = started(root, "train", RUN, "--device", "cpu")
    until(lambda: children(warm._process.pid))
    job.send_signal(signal.SIGKILL)
    job.wait()
    until(lambda: not children(warm._process.pid))
    assert warm._process.poll() is None
