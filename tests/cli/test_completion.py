"""TAB offers what is there, quickly, and never an error."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from redoubt.cli import completion
from redoubt.config import load_study, resolve
from tests.conftest import REPO


def context(root):
    return SimpleNamespace(params={"root": root})


def test_every_run_of_every_study_is_known_without_resolving_it():
    expected = [
        v.path for name in ("digits", "smoke") for v in resolve(load_study(REPO / "studies" / f"{name}.yaml"))
    ]
    assert set(expected) <= set(completion.runs(REPO))


def test_a_long_list_is_offered_part_by_part(tmp_path):
    (tmp_path / "studies").mkdir()
    many = ", ".join(f"v{i}: {{}}" for i in range(30))
    (tmp_path / "studies" / "big.yaml").write_text(f"defenses: {{a: {{variants: {{{many}}}}}, b: }}")
    (tmp_path / "studies" / "broken.yaml").write_text("a: [")
    here = context(tmp_path)
    assert completion.complete_run(here, "") == ["big/"]
    assert completion.complete_run(here, "big/") == ["big/a/", "big/b/"]
    assert completion.complete_run(here, "big/b") == ["big/b/main"]
    assert completion.complete_run(here, "big/a/v2")[:2] == ["big/a/v2", "big/a/v20"]
    assert completion.complete_study(here, "b") == ["big", "broken"]
    assert completion.complete_target(here, "audits/big/b") == ["audits/big/b/main"]


def test_the_shell_is_answered():
    env = {
        **os.environ,
        "_REDOUBT_COMPLETE": "complete_bash",
        "COMP_WORDS": "redoubt audit smoke/p",
        "COMP_CWORD": "2",
    }
    command = [str(Path(sys.executable).with_name("redoubt"))]
    done = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["smoke/pgd_at/main"]
