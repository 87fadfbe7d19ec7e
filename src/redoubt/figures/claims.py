"""Figures of notebooks/claims.py."""
