"""What runs, when and where: the Snakefile's questions, plans, recordings and their parcels, locks, shipping.

May import: every package but cli.
"""
