"""What runs, when and where: the Snakefile's questions, `redoubt plan`, `redoubt record` and its archives.

May import: every package but cli.
"""
