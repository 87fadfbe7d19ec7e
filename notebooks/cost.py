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
# What does robustness cost? Seconds are of whatever machine trained, so ratios inside one study say more than values.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "cost")

# %% [markdown]
# ## Does more training time buy more robustness?
# Seconds of a training against the worst case, a panel a paper. Up and to the left is better.

# %%
gallery.show("robustness_against_cost")

# %%
gallery.show("cost")

# %% [markdown]
# **What it does not show.** The cost of tuning a method, which no record holds, and of the weights that a fine-tuning
# starts from.

# %% [markdown]
# ## What does an epoch take?
# Seconds an epoch. The inner attack is most of one: its number of steps explains most of the differences.

# %%
gallery.show("seconds_per_epoch")

# %% [markdown]
# **What it does not show.** Seconds of another machine; other work may have shared this one.
