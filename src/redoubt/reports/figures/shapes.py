"""The few kinds of drawing that the exhibits are made of."""

import itertools

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from redoubt.reports.figures.evidence import Evidence, label
from redoubt.reports.figures.style import HATCHES, MARKERS, looks
from redoubt.statistics.intervals import Interval

ATTACK_NAMES = {"clean": "natural", "worst": "worst case"}


def called(attack: str) -> str:
    """How an attack is called in a figure."""
    return ATTACK_NAMES.get(attack, attack)


def dots(evidence: Evidence, runs: list[str], attacks: list[str], names: list[str] | None = None) -> Figure:
    """A row a variant, a marker an attack: accuracy with its 95 % interval."""
    cells = [[evidence.accuracy(run, attack) for run in runs] for attack in attacks]
    return intervals(names or [label(r) for r in runs], [called(a) for a in attacks], cells)


def dots_by_attack(evidence: Evidence, runs: list[str], attacks: list[str]) -> Figure:
    """A row an attack, a marker a variant."""
    cells = [[evidence.accuracy(run, attack) for attack in attacks] for run in runs]
    return intervals([called(a) for a in attacks], [label(r) for r in runs], cells)


def intervals(rows: list[str], series: list[str], cells: list[list[Interval | None]]) -> Figure:
    """Values with their intervals.

    Args:
        cells: for each of the series an interval in percent a row, None where there is none.
    """
    figure = Figure(figsize=(5.6, 0.9 + 0.34 * len(rows)))
    axes = figure.subplots()
    colours = sns.color_palette("colorblind", 10)
    for i, (name, found) in enumerate(zip(series, cells, strict=True)):
        there = [(row, ci) for row, ci in enumerate(found) if ci]
        value = np.array([ci.value for _, ci in there])
        sides = np.array([[ci.value - ci.low, ci.high - ci.value] for _, ci in there]).T.reshape(2, -1)
        at = np.array([row for row, _ in there]) + 0.5 / len(series) * (i - (len(series) - 1) / 2)
        axes.errorbar(
            value, at, xerr=sides.clip(0), fmt=MARKERS[i % len(MARKERS)], color=colours[i % 10], ms=5, lw=1,
            capsize=2, label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy (%)")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    sns.despine(figure, left=True)
    return figure


def lines(
    frame: pd.DataFrame, x: str, y: str, labels: tuple[str, str], hue: str = "called", col: str | None = None,
    markers: bool = True, share_x: bool = True,
) -> Figure:  # fmt: skip
    """Lines by `hue` with colour, marker and dash; the line is the mean over seeds, the band their range."""
    look = looks(frame[hue])
    several = frame.groupby([hue, x] + ([col] if col else []), sort=False)[y].size().max() > 1
    grid = sns.relplot(
        frame, x=x, y=y, hue=hue, style=hue, col=col, kind="line", height=3.2, aspect=1.3,
        errorbar=("pi", 100) if several else None, palette=look["palette"], dashes=look["dashes"],
        markers=look["markers"] if markers else False, facet_kws={"sharex": share_x},
    )  # fmt: skip
    grid.set_axis_labels(*labels)
    if col:
        grid.set_titles("{col_name}")
    if x == "epoch":
        for axes in grid.axes.flat:
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    grid.legend.set_title(None)
    return grid.figure


def bars(frame: pd.DataFrame, x: str, y: str, hue: str, labels: tuple[str, str], width: float = 7) -> Figure:
    """Grouped bars with a hatch for each hue, so that grey print tells them apart; the line on a bar is the range."""
    figure = Figure(figsize=(width, 3.2))
    axes = figure.subplots()
    look = looks(frame[hue])
    sns.barplot(
        frame, x=x, y=y, hue=hue, palette=look["palette"], ax=axes, errorbar=("pi", 100), err_kws={"lw": 1}
    )
    handles = []
    for container, hatch in zip(axes.containers, itertools.cycle(HATCHES), strict=False):
        for patch in container:
            patch.set_hatch(hatch)
            patch.set_edgecolor("white")
        handles.append(container)
    axes.legend(handles, list(dict.fromkeys(frame[hue])), loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(axis="x", visible=False)
    sns.despine(figure, left=True)
    return figure


def scatter(frame: pd.DataFrame, x: str, y: str, labels: tuple[str, str], hue: str = "called") -> Figure:
    """A small point a seed, a large one the mean, one marker and colour a name."""
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    look = looks(frame[hue])
    handles = []
    for name, group in frame.groupby(hue, sort=False):
        colour, marker = look["palette"][name], look["markers"][name]
        axes.plot(group[x], group[y], marker, color=colour, ms=4, alpha=0.5, mew=0)
        axes.plot(group[x].mean(), group[y].mean(), marker, color=colour, ms=9, mec="white")
        handles.append(Line2D([], [], marker=marker, color=colour, lw=0, ms=7, label=name))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    sns.despine(figure)
    return figure


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
            grey = np.ndim(image) == 2
            axes.imshow(image, cmap="gray" if grey else None, vmin=0, vmax=1, interpolation="nearest")
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
