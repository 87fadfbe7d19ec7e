"""One style for every figure, and files that are equal byte for byte when their numbers are."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p", "h")
DASHES = (
    "",
    (4, 1.5),
    (1, 1),
    (3, 1.25, 1.5, 1.25),
    (5, 1, 1, 1),
    (2, 2),
    (6, 2),
    (1, 3),
    (8, 2, 2, 2),
    (3, 3),
)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo", "--")
ORDER = (
    "PGD-AT", "TRADES", "UIAT", "CURE", "AFD", "AToP", "PSSR", "standard", "MART", "CURE_Eff", "FGSM-RS", "N-FGSM",
)  # fmt: skip
SEQUENTIAL = "viridis"  # monotone in grey, and the same for every kind of colour vision


@dataclass(frozen=True)
class Picture:
    """A drawn exhibit: what it shows with n and seeds, and one sentence of what was found and how sure that is."""

    figure: Figure
    caption: str
    found: str


def style() -> None:
    """Colour-blind safe, readable in grey, no dates and no random ids in an svg, the same fonts on every machine."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.1)
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


def looks(names) -> dict[str, dict]:
    """Colour, marker and dash for each name; a defense looks the same in every figure, others take what is free."""
    names = list(dict.fromkeys(names))
    place = {n: ORDER.index(n) for n in names if n in ORDER}
    free = (i for i in range(99) if i not in place.values())
    place |= {n: next(free) for n in names if n not in place}
    colours = sns.color_palette("colorblind", 10)
    return {
        "palette": {n: colours[place[n] % 10] for n in names},
        "markers": {n: MARKERS[place[n] % len(MARKERS)] for n in names},
        "dashes": {n: DASHES[place[n] % len(DASHES)] for n in names},
    }
