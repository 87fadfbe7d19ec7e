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
# # AFD: fine-tuning via disentanglement
# Zhou, Zhou, Liu, Wang and Gao, AAAI 2025 (arXiv 2401.14707). Figures are named after the images of the public
# repository.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "afd")

# %% [markdown]
# ## Figure 1(a): the feature gap
# The claim is about the trend at the end, not about the level.

# %%
gallery.show("afd_gap")

# %% [markdown]
# ## Tables 1 and 2

# %%
gallery.show("afd_main")

# %% [markdown]
# ## Hyper-parameters

# %%
gallery.show("afd_sensitivity")

# %% [markdown]
# ## Disentanglement
# A picture of the features, and how far the classes stand apart in the features themselves.

# %%
gallery.show("afd_embedding")

# %%
gallery.show("afd_branches")

# %%
gallery.show("afd_branches_by_epoch")

# %% [markdown]
# ## Ablations

# %%
gallery.show("afd_components")

# %%
gallery.show("afd_ablations")

# %% [markdown]
# ## Training time

# %%
gallery.show("afd_cost")
