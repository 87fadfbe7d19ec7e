"""A command's side of the warm process: hands over its arguments and its streams, waits for the exit code."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping

# Differ between a run and its jobs, and change nothing that a job computes.
INCIDENTAL = ("PWD", "OLDPWD", "SHLVL", "_", "REDOUBT_WARM", "TMPDIR", "TMP", "TEMPDIR", "TEMP")


def decisive(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a job may read, or torch at its start: where they differ, the warm process does not serve."""
    return {k: v for k, v in environment.items() if k not in INCIDENTAL}


def ask(address: str) -> int | None:
    """The exit code of this process's command, run by the warm process at `address`.

    Returns:
        None where the command has to run here: nobody answers, the code on disk or the environment is another than
        the warm process has, or it was killed meanwhile; what the command had begun for it was killed with it.
    """
    request = {"argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ)}
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        content = json.dumps(request).encode()
        socket.send_fds(connection, [len(content).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(content)
        answer = connection.makefile("r").readline()
        return json.loads(answer)["code"]
    return None
