"""Whether the evidence is still what it says: runs made anew, records compared, hashes verified, age told.

May import: evaluation and what lies below it.
"""
