"""Figures: one style, one file a notebook with a function for each exhibit, and the list `reports/all_figures`.

A notebook makes a `Gallery` and shows exhibits by name; `redoubt.reports.exhibits` says what each needs.
"""

from redoubt.reports.figures.gallery import Gallery
from redoubt.reports.figures.listing import listing
from redoubt.reports.figures.style import Picture, save, style

__all__ = ["Gallery", "Picture", "listing", "save", "style"]
