"""The hyper-parameters of the defenses as a paper's table lists them: value, source, limits.

One file for each file of defenses, without torch: studies are checked and planned by these alone.
"""
