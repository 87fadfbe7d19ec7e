"""Figures of notebooks/afd.py."""
