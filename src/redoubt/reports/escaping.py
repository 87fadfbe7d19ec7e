"""Text that came from a file, as cells that a spreadsheet does not compute and a Markdown page does not run."""

import re

import pandas as pd

# With a sign in front: numbers with their intervals and units. Everything else that begins so may be a formula.
NUMBER = re.compile(r"[-+][\d.,\s%±\[\]()+-]*(e[-+]?\d+)?( to [-+]?[\d.]+| points)?|[-+](inf|nan)")


def for_csv(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with an apostrophe before each text that a spreadsheet would take for a formula."""
    return cells.map(_no_formula)


def for_markdown(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells without what opens a tag, ends a cell or ends a line."""
    return cells.map(_no_markup)


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str) or cell[:1] not in ("=", "@", "+", "-", "\t", "\r"):
        return cell
    return cell if NUMBER.fullmatch(cell) else f"'{cell}"


def _no_markup(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", cell).replace("|", r"\|")
    return " ".join(text.splitlines())
