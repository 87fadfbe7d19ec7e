"""A Slurm of two nodes on this machine, for tests: own key, ports and folders, loopback only, nothing of /etc.

Each node has one core and one GPU that is counted and does not exist. Debian's packages: slurmctld, slurmd,
slurm-client, munge; with accounting also slurmdbd and mariadb-server.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
FOR_ACCOUNTING = ("slurmdbd", "sacctmgr", "sacct", "mariadbd", "mariadb-install-db", "mariadb")
NODES = ("n1", "n2")

CONF = """\
ClusterName=redoubt
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=15
CredType=cred/munge
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=2
GresTypes=gpu
{accounting}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""

DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[3]}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[4]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=accounting
"""


def absent(accounting: bool = False) -> str | None:
    """Why no Slurm can be started here, or None."""
    wanted = NEEDED + (FOR_ACCOUNTING if accounting else ())
    if missing := [name for name in wanted if shutil.which(name) is None]:
        return f"no {', '.join(missing)} on this machine"
    return None if os.geteuid() == 0 else "only root can start a Slurm whose jobs run as somebody"


def until(true: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Waits for a condition; AssertionError with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class Slurm:
    """What was started: where it lies, what a client needs, and the faults that can happen to it.

    Attributes:
        environment: PATH and SLURM_CONF of its clients.
    """

    def __init__(self, folder: Path, accounting: bool):
        self.folder, self.accounting = folder, accounting
        self.lost: str | None = None
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        self.values = {"folder": folder, "host": socket.gethostname().split(".")[0], "ports": free_ports(5)}

    def start(self) -> None:
        """Every daemon, and waits until both nodes are idle."""
        for name in ("munge", "state", "spool/n1", "spool/n2", "log", "run", "bin"):
            (self.folder / name).mkdir(parents=True)
        self._write()
        munge = self.folder / "munge"
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o400)
        files = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": ".pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        self.run("munged", "--force", *(f"--{option}={munge / name}" for option, name in files.items()))
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in NODES:
            self.run("slurmd", "-N", node)
        until(lambda: self.run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"], "two idle nodes")

    def _write(self) -> None:
        storage = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            storage = f"AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost={self.values['host']}"
            storage += f"\nAccountingStoragePort={self.values['ports'][3]}"
            storage += f"\nAccountingStoragePass={self.folder}/munge/socket"
            (self.folder / "slurmdbd.conf").touch(0o600)
            (self.folder / "slurmdbd.conf").write_text(DATABASE.format(**self.values))
        (self.folder / "slurm.conf").write_text(CONF.format(**self.values, accounting=storage))
        (self.folder / "gres.conf").write_text("NodeName=n[1-2] Name=gpu Count=1 File=/dev/null\n")
        # The plugin takes SLURM_CONF, which a cluster does not need, from the jobs; and what was asked is kept.
        for name in ("srun", "sbatch"):
            script = self.folder / "bin" / name
            script.write_text(
                f"#!/bin/sh\nexport SLURM_CONF={self.folder}/slurm.conf\n"
                f'printf "%s\\n" "{name} $*" >> {self.folder}/asked\nexec {shutil.which(name)} "$@"\n'
            )
            script.chmod(0o755)

    def _start_accounting(self) -> None:
        data, port, dbd = self.folder / "mariadb", self.values["ports"][4], self.values["ports"][3]
        user = ["--no-defaults", "--user=root", f"--datadir={data}"]
        self.run("mariadb-install-db", *user, "--auth-root-authentication-method=normal")
        with open(self.folder / "log" / "mariadb.log", "w") as log:
            files = [f"--socket={self.folder}/run/mariadb", f"--pid-file={self.folder}/run/mariadbd.pid"]
            where = ["--bind-address=127.0.0.1", f"--port={port}"]
            env = {**os.environ, **self.environment}
            subprocess.Popen(["mariadbd", *user, *files, *where], stdout=log, stderr=log, env=env)
        until(lambda: answers(port), "MariaDB")
        grant = (
            "CREATE USER slurm@localhost IDENTIFIED BY 'slurm'; GRANT ALL ON accounting.* TO slurm@localhost"
        )
        self.run("mariadb", "--no-defaults", f"--socket={self.folder}/run/mariadb", "-e", grant)
        self.run("slurmdbd")
        until(lambda: answers(dbd), "slurmdbd")
        self.run("sacctmgr", "-i", "add", "cluster", "redoubt")
        self.run("sacctmgr", "-i", "add", "account", "lab")
        self.run("sacctmgr", "-i", "add", "user", "root", "account=lab")

    def run(self, *command: str) -> str:
        """Standard output of a client or of the start of a daemon."""
        env = {**os.environ, **self.environment}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command} failed: {done.stdout} {done.stderr}"
        return done.stdout

    def asked(self) -> list[str]:
        """Every `sbatch` and `srun` so far, with its arguments."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def running(self) -> tuple[str, str]:
        """Id and node of the one job that runs."""
        until(lambda: self.run("squeue", "-h", "-t", "R"), "a job that runs")
        job, node = self.run("squeue", "-h", "-t", "R", "-o", "%i %N").split()
        return job, node

    # What happens to clusters.

    def cancel(self) -> None:
        """`scancel` of the job that runs."""
        self.run("scancel", self.running()[0])

    def reach_the_time_limit(self) -> None:
        """Lets the job that runs be over its time; the controller looks every half minute."""
        job, _ = self.running()
        self.run("scontrol", "update", f"JobId={job}", "EndTime=now+1seconds")
        until(lambda: "TIMEOUT" in self.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T"), "a time-out")

    def lose_the_node(self) -> None:
        """The node of the job that runs loses its power, and comes back later."""
        job, node = self.running()
        of_job = self.processes(f"SLURM_JOB_ID={job}\0".encode(), f"slurmstepd: [{job}.".encode())
        for pid in [self._pid(f"slurmd-{node}"), *of_job]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")
        (self.folder / "run" / f"slurmd-{node}.pid").unlink()
        self.lost = node

    def start_controller(self) -> None:
        """`slurmctld`, from the state that it saved."""
        self.run("slurmctld")
        until(lambda: answers(self.values["ports"][0]), "slurmctld")

    def restart_the_controller(self) -> None:
        """The controller is away for some seconds."""
        pid = self._pid("slurmctld")
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid), "the end of the controller")
        time.sleep(5)
        self.start_controller()

    def repair(self) -> None:
        """Brings a lost node back."""
        if node := self.lost:
            self.run("slurmd", "-N", node)
            self.lost = None
            until(lambda: self.run("sinfo", "-h", "-N", "-n", node, "-o", "%T").strip() == "idle", node)

    def _pid(self, daemon: str) -> int:
        return int((self.folder / "run" / f"{daemon}.pid").read_text())

    def processes(self, *words: bytes) -> Iterator[int]:
        """The daemons, clients and jobs of this Slurm; with words, those whose command or environment has one."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    held = (entry / "environ").read_bytes().split(b"\0")
                    said = b"\0".join([(entry / "cmdline").read_bytes(), *held])
                    ours = f"SLURM_CONF={self.folder}/slurm.conf".encode() in held
                    if ours and (not words or any(word in said for word in words)):
                        yield int(entry.name)

    def stop(self) -> None:
        """Ends all that was started, and every job."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def started(accounting: bool = False) -> Iterator[Slurm]:
    """A Slurm, stopped at the end. Its folder has a short name: a socket's path may have 107 letters."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        slurm = Slurm(Path(folder), accounting)
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.stop()
