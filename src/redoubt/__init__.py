"""Redoubt re-runs, re-attacks and judges published defenses against adversarial examples."""

__version__ = "0.1.0"
