"""What a process gives back stays with it; measured in a child, whose memory nothing else moves."""

import os
import platform
import subprocess
import sys

import pytest

# Above 32 MiB glibc by itself never keeps a block.
FAULTS = """
import resource
from redoubt.cli import memory
kept = {keep} and memory.keep()
block = bytearray(48 << 20)
del block
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
block = bytearray(48 << 20)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> tuple[str, int]:
    """What `keep` said, and how many pages the second of two large blocks had to be given."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))
    }
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told")
def test_a_block_that_was_given_back_is_used_again():
    (_, plain), (said, kept) = faults(False), faults(True)
    assert said == "True"
    assert kept < plain / 10


def test_elsewhere_nothing_is_done(monkeypatch):
    from redoubt.cli import memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert memory.keep() is False
