"""A trained model against a suite of attacks: one result record a run, with the checks that say whether to believe it.

May import: training and what lies below it.
"""
