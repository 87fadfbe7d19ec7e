"""The recorded instruction sets are those that a process computes with."""

import json
import os
import platform
import subprocess
import sys

import pytest

ASK = """
import json
import torch
if {used}:
    torch.nn.functional.conv2d(torch.ones(8, 16, 32, 32), torch.ones(32, 16, 3, 3))
from redoubt.records.instructions import instructions
print("before")
found = instructions()
print("after")
print(json.dumps(found))
"""


def asked(used: bool = True, **environment: str) -> dict:
    done = subprocess.run([sys.executable, "-c", ASK.format(used=used)], capture_output=True, text=True,
                          check=True, env={**os.environ, **environment})  # fmt: skip
    before, after, found = done.stdout.splitlines()  # nothing of oneDNN's is printed
    assert (before, after) == ("before", "after")
    return json.loads(found)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86")
def test_a_limited_instruction_set_is_recorded_as_it_was_used():
    limited = asked(ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    assert limited["torch"] == "DEFAULT"
    assert "SSE4.1" in limited["onednn"]


def test_onednn_speaks_before_its_first_use_and_after_it():
    found = asked(used=False)
    assert found == asked()
    assert found["torch"]
    assert found["onednn"]
