"""The words that a shell offers after TAB: runs, studies and Snakemake targets of a project; no torch is imported.

`redoubt --install-completion` sets it up for bash, zsh, fish or PowerShell.
"""

from pathlib import Path

import typer

from redoubt.config.load import studies
from redoubt.config.names import runs


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Runs that begin with what is typed, one part further at a time: study, defense, variant."""
    depth = incomplete.count("/") + 1
    begun = [r for r in runs(_root(context)) if r.startswith(incomplete)]
    parts = dict.fromkeys("/".join(r.split("/")[:depth]) + ("/" if depth < 3 else "") for r in begun)
    return begun if len(begun) <= 20 else list(parts)


def complete_study(context: typer.Context, incomplete: str) -> list[str]:
    """Studies that begin with what is typed."""
    return [s for s in studies(_root(context)) if s.startswith(incomplete)]


def complete_target(context: typer.Context, incomplete: str) -> list[str]:
    """Snakemake targets: reports, and the audit of every run."""
    targets = ["reports/all_tables", "reports/all_figures", "reports/index.html"]
    targets += [f"audits/{r}" for r in runs(_root(context))]
    return [t for t in targets if t.startswith(incomplete)]


def _root(context: typer.Context) -> Path:
    return Path(context.params.get("root") or ".")
