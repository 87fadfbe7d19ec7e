"""Figures of notebooks/atop.py."""
