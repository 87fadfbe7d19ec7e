"""One loop for every defense: weights and a training record from a run and its images.

May import: config, defenses, attacks, models, data, records, statistics and the ground floor.
"""
