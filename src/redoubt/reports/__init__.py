"""Evidence as people read it: tables, figures, the list of exhibits, pages, and one run in the terminal.

May import: claims and what lies below it.
"""
