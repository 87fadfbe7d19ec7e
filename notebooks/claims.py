# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Claims
# Which testable claims of the five papers hold here? How verdicts are reached stands in `redoubt.claims`.
# On a small study only directions are judged, never the papers' numbers.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "claims")

# %% [markdown]
# ## How many claims hold?
# Each claim is a rule that was written before the runs; each verdict comes from bits an image.

# %%
gallery.show("claim_verdicts")

# %%
gallery.show("claims")

# %% [markdown]
# **What it does not show.** The weight of a claim: a paper's headline counts as much as a remark. Claims of one paper
# share runs, so they are not independent.

# %% [markdown]
# ## What does each verdict rest on?
# Every comparison behind a judged claim, with the interval that decides it.

# %%
gallery.show("claim_differences")

# %% [markdown]
# **What it does not show.** A correction for many comparisons: one interval in twenty misses its value by chance
# alone.
