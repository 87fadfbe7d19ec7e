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
# Every testable claim of the five papers beside what was measured; how verdicts are reached stands in `redoubt.claims`.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "claims")

# %% [markdown]
# ## Verdicts
# On the embedded digits only directions are judged, never the papers' numbers.

# %%
gallery.show("claim_verdicts")

# %%
gallery.show("claims")

# %% [markdown]
# ## Differences

# %%
gallery.show("claim_differences")
