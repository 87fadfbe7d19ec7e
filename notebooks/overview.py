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
# # Overview
# Every defense under one protocol: the same images, seeds, budget and attacks. Each is attacked through its own
# adaptive view. Run by Snakemake through papermill.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "overview")

# %% [markdown]
# ## One protocol for all
# An interval that crosses another leaves their order open; the table of pairs compares them image by image.

# %%
gallery.show("adaptive_protocol")

# %%
gallery.show("main")

# %%
gallery.show("pairs")

# %% [markdown]
# ## Clean against robust
# Up and to the right is better.

# %%
gallery.show("clean_against_robust")

# %% [markdown]
# ## Training
# Measured on the validation split, which selects the weights; test images are never seen here.

# %%
gallery.show("training_curves")
