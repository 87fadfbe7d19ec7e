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
# # PSSR
# In the making.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.figures import Gallery

gallery = Gallery(root, figures, "pssr")
