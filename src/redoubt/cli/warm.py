"""A process that has torch and the package loaded and forks each job of one Snakemake run: start-up is paid once.

    warm = Warm(); warm.start(); …; warm.stop()

The run starts and ends it (`onstart`, `onsuccess` and `onerror` of the Snakefile). A job is a child of it with the
arguments, folder and streams of the command that asked (`warm_client`); it computes what a process of its own would,
for nothing has been computed before the fork. The child of a command that was killed is killed, and when the run is
killed the process ends itself. Linux only; elsewhere, and where it does not serve, commands run on their own.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from redoubt.cli.warm_client import decisive

PACKAGES = ("redoubt.attacks", "redoubt.defenses", "redoubt.models", "redoubt.training", "redoubt.evaluation")
# Snakemake sets these for each job to the job's threads, which are 1 for all that train and attack.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
ASKS = 10.0  # seconds in which a client says what it wants
SET_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


class Warm:
    """The warm process of one run, seen from the run."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._folder = ""

    def start(self) -> None:
        """Starts it and lets the jobs of this process know its address; does nothing where it cannot serve."""
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            return
        self._folder = tempfile.mkdtemp(prefix="redoubt-")
        address = f"{self._folder}/warm"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)  # here, before it loads anything: a command that comes early waits
            listener.listen(128)
            self._process = self._launch(listener.fileno())
        os.environ["REDOUBT_WARM"] = address

    @staticmethod
    def _launch(listener: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "redoubt.cli.warm", str(listener), str(os.getpid())]
        one = {f"{name}_NUM_THREADS": "1" for name in THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
        environment = {**os.environ, **one}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[listener])

    def stop(self) -> None:
        """Ends it."""
        os.environ.pop("REDOUBT_WARM", None)
        if self._process:
            self._process.terminate()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class _Job:
    """One forked command: its process, and the connection that waits for its exit code."""

    pid: int
    ended: int
    connection: socket.socket


@dataclass
class _Server:
    """Accepts commands and forks them until the run that it belongs to is gone."""

    listener: socket.socket
    run: int
    jobs: list[_Job] = field(default_factory=list)

    def serve(self) -> None:
        self.environment = decisive(os.environ)  # libraries add to it when they are loaded
        _load()
        self.sources = _sources()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while os.getppid() == self.run:
            for key, _ in self.selector.select(timeout=1):
                key.data(key.fileobj)
        self.end()

    def end(self) -> None:
        for job in self.jobs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGKILL)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(ASKS)
        streams: list[int] = []
        try:
            header, streams, _, _ = socket.recv_fds(connection, 8, 3)
            content = b""
            while len(content) < int.from_bytes(header, "big"):
                if not (part := connection.recv(65536)):
                    raise ValueError("the client went away while it asked")
                content += part
            asked = json.loads(content)
            if decisive(asked["environment"]) == self.environment and _sources() == self.sources:
                self._fork(asked, streams, connection)
            else:
                _answer(connection, None)
        except (OSError, ValueError, KeyError):
            connection.close()
        finally:
            for stream in streams:
                os.close(stream)

    def _fork(self, asked: dict, streams: list[int], connection: socket.socket) -> None:
        pid = os.fork()
        if pid == 0:
            _become(asked, streams)
        job = _Job(pid, os.pidfd_open(pid), connection)
        self.jobs.append(job)
        self.selector.register(job.ended, selectors.EVENT_READ, lambda _: self._ended(job))
        # A command says nothing more: what can be read is the end of it.
        self.selector.register(connection, selectors.EVENT_READ, lambda _: self._left(job))

    def _left(self, job: _Job) -> None:
        if job in self.jobs:
            self.selector.unregister(job.connection)
            os.kill(job.pid, signal.SIGKILL)

    def _ended(self, job: _Job) -> None:
        _, status = os.waitpid(job.pid, 0)
        self.selector.unregister(job.ended)
        os.close(job.ended)
        with contextlib.suppress(KeyError):
            self.selector.unregister(job.connection)
        code = os.waitstatus_to_exitcode(status)
        _answer(job.connection, code if code >= 0 else 128 - code)
        self.jobs.remove(job)


def _answer(connection: socket.socket, code: int | None) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps({"code": code}).encode() + b"\n")
    connection.close()


def _load() -> None:
    """Imports what trains and attacks; computes nothing, so that no thread of torch exists at a fork."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(found.name)
    importlib.import_module("redoubt.cli.app")
    gc.collect()
    gc.freeze()  # what is loaded stays shared with every child


def _sources() -> dict[str, int]:
    """Module file of the package: when it was changed. A job must not run other code than lies on the disk."""
    files = [m.__file__ for n, m in list(sys.modules.items()) if n.startswith("redoubt") and m.__file__]
    return {f: Path(f).stat().st_mtime_ns for f in files if f and Path(f).is_file()}


def _become(asked: dict, streams: list[int]) -> None:
    """The child: runs the command on the asker's streams and ends; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = asked["argv"]
        from redoubt.cli.app import run

        code = run()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def main(listener: str, run: str) -> None:
    """Serves the run that started this process and handed its listening socket over."""
    server = _Server(socket.socket(fileno=int(listener)), int(run))

    def leave(*_) -> None:
        server.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the run, and the run ends this
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
