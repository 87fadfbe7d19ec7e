"""Intervals and paired comparisons; statsmodels and scipy do the arithmetic.

May import: the ground floor.
"""
