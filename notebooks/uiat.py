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
# # UIAT: inverse adversaries
# Dong, Moosavi-Dezfooli, Lai and Xie, CVPR 2023 (arXiv 2211.00525). No official code and no public number of its tables
# was found: every value marked `ours` is a choice of this replication, and only directions are judged.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "uiat")

# %% [markdown]
# ## Main comparison

# %%
gallery.show("uiat_main")

# %% [markdown]
# ## Attack strength
# Better under weak attacks and worse under strong ones: do the curves cross?

# %%
gallery.show("uiat_strength")

# %%
gallery.show("uiat_strength_table")

# %% [markdown]
# ## Confidence
# The images are split by their natural loss. A narrower gap between the halves is what the paper claims.

# %%
gallery.show("uiat_confidence")

# %%
gallery.show("confidence")

# %% [markdown]
# ## Robust overfitting
# A curve that falls after its top overfits.

# %%
gallery.show("uiat_overfitting")

# %% [markdown]
# ## Components
# Each row leaves one thing out; an interval that holds the main variant's value shows no effect.

# %%
gallery.show("uiat_components")

# %%
gallery.show("uiat_ablations")

# %% [markdown]
# ## One-off perturbations
# One epoch computes them, then they are frozen.

# %%
gallery.show("uiat_one_off")

# %% [markdown]
# ## Single-step training

# %%
gallery.show("uiat_single_step")

# %%
gallery.show("uiat_single_step_table")

# %% [markdown]
# ## Sensitivity
# How much hangs on the values that this replication had to choose.

# %%
gallery.show("uiat_sensitivity")

# %% [markdown]
# ## Cost

# %%
gallery.show("uiat_cost")
