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
# # Cost
# What robustness costs. Seconds are of whatever machine trained, so ratios inside one study say more than values.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "cost")

# %% [markdown]
# ## Robustness against training time
# Up and to the left is better.

# %%
gallery.show("robustness_against_cost")

# %%
gallery.show("cost")

# %% [markdown]
# ## Seconds an epoch
# The inner attack is most of an epoch: its number of steps explains most of the differences.

# %%
gallery.show("seconds_per_epoch")
