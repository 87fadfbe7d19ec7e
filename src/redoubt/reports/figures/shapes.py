"""The few kinds of drawing that the exhibits are made of."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.style import HATCHES, Look, looks
from redoubt.reports.names import attack, label
from redoubt.statistics.intervals import Interval

LETTERS = 13  # of a legend an inch, beside some six for a marker and its gaps


Cells = Sequence[Sequence[Interval | None]]  # for each of the series an interval a row


def dots(evidence: Evidence, runs: list[str], attacks: list[str], names: list[str] | None = None) -> Figure:
    """A row a variant, a marker an attack: accuracy with its 95 % interval."""
    cells = [[evidence.accuracy(run, a) for run in runs] for a in attacks]
    return intervals(names or [label(r) for r in runs], [attack(a) for a in attacks], cells)


def dots_by_attack(
    evidence: Evidence, runs: list[str], attacks: list[str], names: list[str] | None = None
) -> Figure:
    """A row an attack, a marker a variant; nothing stands where a variant did not face an attack."""
    cells = [[evidence.accuracy(run, a) for a in attacks] for run in runs]
    return intervals([attack(a) for a in attacks], names or [label(r) for r in runs], cells)


def intervals(rows: list[str], series: list[str], cells: Cells) -> Figure:
    """Values with their intervals.

    Args:
        cells: for each of the series an interval in percent a row, None where there is none.
    """
    figure = Figure(figsize=(5.6, 0.7 + max(0.3, 0.11 * len(series) + 0.1) * len(rows)))
    axes = figure.subplots()
    draw_rows(
        axes, rows, [(name, look, found) for (name, look), found in zip(looks(series), cells, strict=True)]
    )
    legend_above(axes, 5.6)
    sns.despine(figure, left=True)
    return figure


def draw_rows(axes: Axes, rows: list[str], series: list[tuple[str, Look, Sequence[Interval | None]]]) -> None:
    """A row each, a marker with its interval a series beside the others; accuracies from 0 to 100 percent."""
    apart = 0.75 / max(3, len(series))
    for i, (name, look, found) in enumerate(series):
        there = [(row, ci) for row, ci in enumerate(found) if ci]
        value = np.array([ci.value for _, ci in there])
        at = np.array([row for row, _ in there]) + apart * (i - (len(series) - 1) / 2)
        axes.errorbar(
            value, at, xerr=sides([ci for _, ci in there]), fmt=look.marker, color=look.color, ms=4.5, lw=1.1,
            mec="white", mew=0.4, label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("accuracy (%)")
    axes.grid(axis="y", visible=False)
    for row in range(1, len(rows)):
        axes.axhline(row - 0.5, color="0.92", lw=0.8, zorder=0)


def sides(found: list[Interval]) -> np.ndarray:
    """(2, n) lengths of intervals below and above their values, as error bars want them."""
    return np.array([[ci.value - ci.low, ci.high - ci.value] for ci in found]).T.reshape(2, -1).clip(0)


def legend_above(axes: Axes, width: float) -> None:
    """The legend in lines above the drawing, so that the drawing keeps its width.

    Args:
        width: inches that the lines may take.
    """
    handles, names = axes.get_legend_handles_labels()
    axes.legend(
        handles, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=_columns(names, width), borderaxespad=0.3,
        fontsize="small", columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def _columns(names: list[str], width: float) -> int:
    """How many names of a legend stand in one line of so many inches."""
    widest = max((len(n) for n in names), default=0) + 6
    return max(1, min(len(names), int(LETTERS * width / widest)))


def facets(names: list[str], share_x: bool = True) -> tuple[Figure, list[Axes]]:
    """One drawing for each name beside the others, of one height scale."""
    width = 4.6 if len(names) == 1 else 3.3
    figure = Figure(figsize=(width * len(names), 3.1), layout="constrained")
    found = list(figure.subplots(1, len(names), squeeze=False, sharey=True, sharex=share_x)[0])
    for axes, name in zip(found, names, strict=True):
        axes.set_title(name, pad=4)
    return figure, found


def finish(figure: Figure, cells: list[Axes], labels: tuple[str, str]) -> Figure:
    """Names the axes of facets and sets their common legend above the first."""
    handles = dict(zip(*reversed(cells[0].get_legend_handles_labels()), strict=True))
    columns = _columns(list(handles), float(figure.get_figwidth()))
    figure.set_figheight(figure.get_figheight() + 0.21 * (-(-len(handles) // columns) - 1))
    figure.legend(
        handles.values(),
        handles,
        loc="outside upper left",
        ncols=columns,
        fontsize="small",
        columnspacing=1.2,
    )
    if len(cells) > 1:
        figure.supxlabel(labels[0], fontsize="medium")
    else:
        cells[0].set_xlabel(labels[0])
    cells[0].set_ylabel(labels[1])
    sns.despine(figure)
    return figure


def lines(frame: pd.DataFrame, x: str, y: str, labels: tuple[str, str], hue: str = "called") -> Figure:
    """Lines by `hue` with color and dash; the line is the mean over seeds, the band their range."""
    figure, cells = facets([""])
    for name, look in looks(frame[hue]):
        draw_line(cells[0], frame[frame[hue] == name], x, y, name, look)
    if x == "epoch":
        cells[0].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return finish(figure, cells, labels)


def draw_line(axes: Axes, frame: pd.DataFrame, x: str, y: str, name: str, look: Look) -> None:
    """The mean over seeds by x, and a band from the lowest to the highest where there are several."""
    found = frame.groupby(x)[y].agg(["mean", "min", "max"])
    axes.plot(
        found.index, found["mean"], color=look.color, ls=look.line, lw=1 if look.behind else 1.8, label=name
    )
    if not look.behind and (found["max"] > found["min"]).any():
        axes.fill_between(found.index, found["min"], found["max"], color=look.color, alpha=0.18, lw=0)


def curves(
    points: pd.DataFrame, labels: tuple[str, str], col: str | None = None, share_x: bool = True, joined: bool = True
) -> Figure:  # fmt: skip
    """Measured values with their 95 % intervals over an axis of numbers.

    Args:
        points: of `Evidence.points`, with `called` and `x`.
        col: a drawing for each of this column's values.
        joined: whether a thin line joins the points; without it nothing is said of what lies between.
    """
    names = list(dict.fromkeys(points[col])) if col else [""]
    figure, cells = facets(names, share_x)
    known = looks(points["called"])
    for axes, of in zip(cells, names, strict=True):
        here = points[points[col] == of] if col else points
        step = 0.012 * np.ptp(here["x"])
        for i, (name, look) in enumerate(known):
            row = here[here["called"] == name].sort_values("x", kind="stable")
            found = [Interval(*v) for v in row[["value", "low", "high"]].itertuples(index=False)]
            at = row["x"] + (0 if joined else step * (i - (len(known) - 1) / 2))
            axes.errorbar(
                at, row["value"], yerr=sides(found), fmt=look.marker, color=look.color, ms=4.5, mec="white", mew=0.4,
                lw=0, elinewidth=1.1, label=name,
            )  # fmt: skip
            if joined:
                axes.plot(row["x"], row["value"], color=look.color, ls=look.line, lw=0.9)
    return finish(figure, cells, labels)


def bars(frame: pd.DataFrame, x: str, y: str, hue: str, labels: tuple[str, str], width: float = 7) -> Figure:
    """Grouped bars with a hatch for each hue, so that gray print tells them apart; the line on a bar is the range."""
    figure = Figure(figsize=(width, 3.2))
    axes = figure.subplots()
    known = looks(frame[hue])
    sns.barplot(
        frame, x=x, y=y, hue=hue, palette={n: look.color for n, look in known}, ax=axes, errorbar=("pi", 100),
        legend=False, err_kws={"lw": 1},
    )  # fmt: skip
    for container, hatch, name in zip(axes.containers, itertools.cycle(HATCHES), dict(known), strict=False):
        container.set_label(name)
        for patch in container:
            patch.set_hatch(hatch)
            patch.set_edgecolor("white")
    legend_above(axes, width)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(axis="x", visible=False)
    sns.despine(figure, left=True)
    return figure


def scatter(points: pd.DataFrame, labels: tuple[str, str]) -> Figure:
    """A cross of two 95 % intervals a name.

    Args:
        points: `called`, `x` and `y`, both of `Interval`.
    """
    figure, cells = facets([""])
    for (name, look), row in zip(looks(points["called"]), points.itertuples(), strict=True):
        draw_cross(cells[0], name, look, row.x, row.y)
    return finish(figure, cells, labels)


def draw_cross(axes: Axes, name: str, look: Look, x: Interval, y: Interval) -> None:
    """A value of two sizes with the interval of each."""
    axes.errorbar(
        x.value, y.value, xerr=sides([x]), yerr=sides([y]), fmt=look.marker, color=look.color, ms=6.5, mec="white",
        mew=0.5, lw=0, elinewidth=0.9, label=name,
    )  # fmt: skip


def strip(rows: list[tuple[str, list]], columns: list[str], scale: float = 0.9) -> Figure:
    """A grid of images.

    Args:
        rows: name and images of each row; an image is (H, W) or (H, W, 3), in [0, 1].
        columns: a title for each image of a row.
    """
    figure = Figure(figsize=(scale * len(columns) + 0.8, scale * len(rows) + 0.3))
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for cells, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(cells, images, strict=True):
            gray = np.ndim(image) == 2
            axes.imshow(image, cmap="gray" if gray else None, vmin=0, vmax=1, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(visible=False)
        cells[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, fontsize="small")
    return figure


def pixels(image) -> np.ndarray:
    """(C, H, W) tensor in [0, 1] -> (H, W) or (H, W, 3) for `strip`."""
    array = image.detach().cpu().numpy().clip(0, 1)
    return array[0] if len(array) == 1 else array.transpose(1, 2, 0)
