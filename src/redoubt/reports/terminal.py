"""`redoubt show STUDY/DEFENSE/VARIANT`: one run in the terminal, from its records alone.

Settings with the source of each, epochs, attacks with Wilson intervals, validity checks, where the numbers come from,
and the commands that make them again.
"""

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from redoubt.audit.differences import flat
from redoubt.config import names
from redoubt.errors import RedoubtError, nearest
from redoubt.records import results, trainings
from redoubt.records.packed_booleans import unpack
from redoubt.records.shipped import training_file
from redoubt.statistics.intervals import wilson

EPOCHS = 12  # rows of the table of epochs; the first, the selected and the last are always among them


def find(root: Path, run: str) -> tuple[str, list[tuple[dict | None, dict | None]]]:
    """The variant and, for each of its seeds, the training and the result record that are here.

    Args:
        run: `study/defense/variant`, or with `/seedN` behind it for one seed.

    Raises:
        RedoubtError: no such run, nothing recorded of it, or a record that was changed.
    """
    path, _, seed = run.strip("/").partition("/seed")
    known = names.runs(root)
    pattern = f"seed{seed or '*'}"
    seeds = {p.name for p in (root / "checkpoints" / path).glob(pattern) if (p / "record.json").is_file()}
    seeds |= {p.stem for p in (root / "results" / path).glob(f"{pattern}.json")}
    if not seeds:
        if path not in known:
            raise RedoubtError(
                "unknown run", value=path, nearest=nearest(path, known), allowed=_near(path, known)
            )
        raise RedoubtError(
            "nothing is recorded of this run", value=run, hint=f"redoubt train {path}, redoubt attack {path}"
        )
    found = []
    for name in sorted(seeds, key=lambda s: int(s.removeprefix("seed"))):
        trained = training_file(root, path, int(name.removeprefix("seed")))
        judged = root / "results" / path / f"{name}.json"
        found.append((
            trainings.read(trained, f"redoubt train {path}") if trained.is_file() else None,
            results.read(judged) if judged.is_file() else None,
        ))  # fmt: skip
    return path, found


def _near(path: str, known: list[str]) -> list[str]:
    """What the study has, or the studies where it is the study that is unknown."""
    study = path.split("/")[0]
    return [r for r in known if r.startswith(f"{study}/")] or sorted({r.split("/")[0] for r in known})


def render(root: Path, run: str) -> RenderableType:
    """The panels of `redoubt show`."""
    path, seeds = find(root, run)
    first = next(r for pair in seeds for r in pair[::-1] if r)
    parts: list[RenderableType] = [_panel("settings", settings(first), first["about"])]
    if trained := [t for t, _ in seeds if t and t["history"]]:
        parts.append(_panel("epochs", *[epochs(t) for t in trained]))
    if judged := [r for _, r in seeds if r]:
        parts.append(_panel("attacks", attacks(judged), "Percent correct with Wilson's 95 % interval."))
        parts.append(_panel("validity checks", checks(judged)))
    parts.append(_panel("provenance", provenance(seeds)))
    again = [
        f"redoubt train {path}",
        f"redoubt attack {path}",
        f"redoubt audit {path}   # anew, beside the record",
    ]
    parts.append(_panel("again", "\n".join(again)))
    return Group(Text(path, "bold"), *parts)


def _panel(title: str, *content: RenderableType) -> Panel:
    return Panel(Group(*[c for c in content if c]), title=title, title_align="left")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def settings(record: dict[str, Any]) -> Table:
    """Every hyper-parameter with its source, then what the study decides."""
    table, config = _table("setting", "value", "source"), record["config"]
    for name, value in config["params"].items():
        table.add_row(name, str(value), record["sources"].get(name, ""))
    for part in ("training", "architecture", "threat", "data"):
        rest = {k: v for k, v in flat(config[part]).items() if v is not None and k != "source"}
        words = ", ".join(f"{k} {v}" for k, v in rest.items())
        table.add_row(part, words, config[part].get("source", "") or "study")
    if config["starts_from"]:
        table.add_row("starts from", config["starts_from"], "")
    return table


def epochs(record: dict[str, Any]) -> Table:
    """Some epochs of one seed's training, the selected one marked."""
    history, best = record["history"], record["best_epoch"]
    named = [k for k in history[0] if k not in ("epoch", "images_per_s")]
    step = max(1, len(history) // EPOCHS)
    kept = sorted({*range(0, len(history), step), best, len(history) - 1})
    table = _table(f"seed {record['run']['seed']}, epoch", *named)
    for i in kept:
        mark = " *" if i == best else ""
        table.add_row(f"{i + 1}{mark}", *[f"{history[i].get(k, float('nan')):.4g}" for k in named])
    table.caption = f"* selected: {record['selected_on']}; {record['seconds']:.0f} s"
    return table


def attacks(records: list[dict[str, Any]]) -> Table:
    """One row an evaluation, one column a seed."""
    table = _table("evaluation", "attack", "eps", "images", *[f"seed {r['run']['seed']}" for r in records])
    rows = {e["name"]: e for r in records for e in r["evaluations"]}
    for name, e in rows.items():
        found = [next((x for x in r["evaluations"] if x["name"] == name), None) for r in records]
        what = f"{e['attack']} on {e['checkpoint']}" + ("" if e["role"] == "main" else f", {e['role']}")
        if told := e["info"].get("challenge"):
            what += f" by {told['by']}"
        table.add_row(name, what, f"{e['norm']} {e['eps']:.4g}", str(e["n"]), *[_share(x) for x in found])
    return table


def _share(e: dict[str, Any] | None) -> str:
    if e is None:
        return ""
    return wilson(int(unpack(e["correct"], e["n"]).sum()), e["n"]).text()


def checks(records: list[dict[str, Any]]) -> Table:
    """Every validity check: passed by how many seeds, and the reason where it was not."""
    table = _table("check", "passed", "why")
    for name in dict.fromkeys(c["name"] for r in records for c in r["checks"]):
        found = [c for r in records for c in r["checks"] if c["name"] == name]
        failed = [c for c in found if not c["passed"]]
        about = f"{failed[0]['value']} against {failed[0]['limit']}: {failed[0]['why']}" if failed else ""
        style = "red" if failed else None
        table.add_row(name, f"{len(found) - len(failed)} of {len(found)}", about, style=style)
    return table


def provenance(seeds: list[tuple[dict | None, dict | None]]) -> Table:
    """Where each seed's numbers come from: time, hardware, versions, commit, and the weights' hashes."""
    table = _table("record", "made", "on", "with", "commit", "weights")
    for trained, judged in seeds:
        for kind, r in (("training", trained), ("result", judged)):
            if r is None:
                continue
            p = r["provenance"]
            files = r.get("files") or {w: c["sha256"] for w, c in r["checkpoints"].items()}
            commit = (p["commit"] or "none")[:10] + (" + changes" if p["dirty"] else "")
            hashes = ", ".join(f"{name.split('.')[0]} {h[:10]}" for name, h in files.items())
            table.add_row(f"{kind}, seed {r['run']['seed']}", f"{p['started']}, {p['seconds']:.0f} s", p["hardware"],
                          f"torch {p['versions']['torch']}", commit, hashes)  # fmt: skip
    return table
