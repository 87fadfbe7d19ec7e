"""Figures: one style, one file a notebook with a function for each exhibit, and the list `reports/all_figures`.

A notebook makes a `Gallery` and shows exhibits by name; `redoubt.exhibits` says what each needs.
"""

from redoubt.figures.gallery import Gallery
from redoubt.figures.listing import listing
from redoubt.figures.style import Picture, save, style

__all__ = ["Gallery", "Picture", "listing", "save", "style"]
