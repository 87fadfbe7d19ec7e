"""A command as a person types it: whatever is wrong ends in a message, never in a traceback."""

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def redoubt(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """A function of a command's words: exit code and all that it said; an exception that it lets out fails the test."""
    from redoubt.cli.app import run

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["redoubt", *map(str, words)])
        code = run()
        said = capsys.readouterr()
        return code, said.out + said.err

    return call
