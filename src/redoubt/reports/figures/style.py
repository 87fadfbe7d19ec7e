"""One style for every figure, and files that are equal byte for byte when their numbers are."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h", "<", ">", "p", "*")
DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (4, 1.5),
    (1, 1),
    (3, 1.25, 1.5, 1.25),
    (5, 1, 1, 1),
    (2, 2),
    (6, 2),
    (1, 3),
    (8, 2, 2, 2),
    (3, 3),
    (1, 1, 4, 1),
    (10, 3),
)
# seaborn's "colorblind" with a purple for its pink and an olive for its yellow, which are faint on white.
COLORS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#7b3294", "#949494", "#8a8500", "#56b4e9",
)  # fmt: skip
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo", "--")
ORDER = ("PGD-AT", "TRADES", "UIAT", "CURE", "AFD", "AToP", "PSSR", "standard", "MART", "CURE_Eff")
SEQUENTIAL = "viridis"  # monotone in gray, and the same for every kind of color vision


@dataclass(frozen=True)
class Picture:
    """A drawn exhibit: what it shows with n and seeds, and one sentence of what was found and how sure that is."""

    figure: Figure
    caption: str
    found: str


def style() -> None:
    """Color-blind safe, readable in gray, no dates and no random ids in an svg, the same fonts on every machine."""
    sns.set_theme(context="paper", style="whitegrid", palette=COLORS, font_scale=1.1)
    mpl.rcParams.update(
        {
            "svg.hashsalt": "redoubt",
            "svg.fonttype": "none",
            "figure.dpi": 120,
            "savefig.dpi": 150,
            "font.family": "DejaVu Sans",
            "axes.titlesize": "medium",
            "legend.frameon": False,
        }
    )


def save(figure: Figure, folder: Path, name: str, caption: str) -> None:
    """Writes name.svg, name.png and name.txt (the caption), and closes the figure."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", bbox_inches="tight", metadata={"Software": None})
    (folder / f"{name}.txt").write_text(caption + "\n", encoding="utf-8")
    plt.close(figure)


@dataclass(frozen=True)
class Look:
    """How one series is drawn, so that it is told apart by shape and dash as well as by color."""

    color: str
    marker: str
    line: str | tuple[float, tuple[float, ...]]
    behind: bool = False  # drawn thinner and without a band: what others are held against


def looks(names: Iterable[str]) -> list[tuple[str, Look]]:
    """Each name once, in its order, with its look.

    The defenses of ORDER look the same in every figure, others take what is free. Up to ten names have ten colors; no
    two of a hundred share color and dash, or color and marker.
    """
    names = list(dict.fromkeys(names))
    place = {n: ORDER.index(n) for n in names if n in ORDER}
    free = (i for i in range(99) if i not in place.values())
    place |= {n: next(free) for n in names if n not in place}
    turn = lambda i: i + i // len(COLORS)
    look = lambda i: Look(COLORS[i % len(COLORS)], MARKERS[turn(i) % len(MARKERS)], line(turn(i)))
    return [(n, look(place[n])) for n in names]


def line(i: int) -> str | tuple[float, tuple[float, ...]]:
    """The i-th style of a line, the first one solid."""
    dashes = DASHES[i % len(DASHES)]
    return (0, dashes) if dashes else "-"
