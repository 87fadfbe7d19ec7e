"""Figures of notebooks/pssr.py."""
