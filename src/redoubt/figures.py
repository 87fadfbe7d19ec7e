"""One style for every figure, and files that are equal byte for byte when their numbers are."""

import hashlib
import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from redoubt.provenance import write_whole

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")


def style() -> None:
    """Colour-blind safe, readable in grey, no dates and no random ids in an svg."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.1)
    mpl.rcParams.update({"svg.hashsalt": "redoubt", "svg.fonttype": "none", "figure.dpi": 120})


def save(figure: Figure, folder: Path, name: str, caption: str) -> None:
    """Writes name.svg, name.png and name.txt (the caption)."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", bbox_inches="tight", metadata={"Software": None})
    (folder / f"{name}.txt").write_text(caption + "\n", encoding="utf-8")


def clean_against_robust(tidy: pd.DataFrame, attack: str) -> Figure:
    """Natural accuracy against accuracy under `attack`, a point a seed, one marker a defense."""
    wide = tidy[tidy["name"].isin(["clean", attack])].copy()
    wide["accuracy"] = [100 * c.mean() for c in wide["correct"]]
    wide = wide.pivot_table(
        index=["defense", "variant", "seed"], columns="name", values="accuracy"
    ).reset_index()
    grid = sns.relplot(
        wide.dropna(),
        x="clean",
        y=attack,
        hue="defense",
        style="defense",
        markers=list(MARKERS[: wide["defense"].nunique()]),
        s=70,
        height=4,
        aspect=1.3,
    )
    grid.set_axis_labels("natural accuracy (%)", f"accuracy under {attack} (%)")
    return grid.figure


def training_curves(records: list[dict]) -> Figure:
    """Validation accuracy by epoch, natural and under PGD; the line is the mean over seeds, the band their range."""
    rows = [
        {"defense": r["run"]["defense"], "epoch": h["epoch"] + 1, "accuracy": 100 * h[kind], "images": label}
        for r in records
        for h in r["history"]
        for kind, label in (("clean", "natural"), ("robust", "under PGD"))
    ]
    grid = sns.relplot(
        pd.DataFrame(rows), x="epoch", y="accuracy", hue="defense", style="defense", col="images", kind="line",
        errorbar=("pi", 100), height=3.4, aspect=1.2,
    )  # fmt: skip
    grid.set_axis_labels("epoch", "validation accuracy (%)")
    return grid.figure


def listing(folder: Path, path: Path) -> None:
    """`reports/all_figures`: every figure with its caption and hashes."""
    entries = [
        {
            "figure": svg.stem,
            "caption": svg.with_suffix(".txt").read_text(encoding="utf-8").strip(),
            "sha256": {
                p.suffix[1:]: hashlib.sha256(p.read_bytes()).hexdigest()
                for p in (svg, svg.with_suffix(".png"))
            },
        }
        for svg in sorted(folder.glob("*.svg"))
    ]
    write_whole(path, (json.dumps({"figures": entries}, indent=1) + "\n").encode())
