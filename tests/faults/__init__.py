"""Faults that drills found, injected again: one file a family, one line a fault."""
