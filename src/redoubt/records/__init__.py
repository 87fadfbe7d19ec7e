"""What is written down and how: whole files with their hashes, provenance, packed bits, and results as a tidy frame.

May import: statistics and the ground floor.
"""
