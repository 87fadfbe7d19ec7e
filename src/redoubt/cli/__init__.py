"""`redoubt`: what the Snakefile calls, and what a person can call by hand.

May import: every package. `start` is the entry point, `app` the commands.
"""
