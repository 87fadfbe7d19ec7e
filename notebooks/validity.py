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
# # Validity
# Whether the numbers can be believed: checks after Carlini et al. (2019) and Croce and Hein (2020), as pictures.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "validity")

# %% [markdown]
# ## Checks
# A failed check does not remove a number: it stands beside it, here and in the tables.

# %%
gallery.show("checks_passed")

# %%
gallery.show("checks")

# %% [markdown]
# ## Stronger attacks leave less
# A line that rises from left to right shows an attack that is weaker than it should be.

# %%
gallery.show("attack_ordering")

# %% [markdown]
# ## Every model breaks
# At a large radius nothing should be left.

# %%
gallery.show("success_by_radius")

# %% [markdown]
# ## Published weights
# Networks that others trained, whose truth is known or bounded: an attack that reports less than the proof is wrong.

# %%
gallery.show("above_the_truth")

# %%
gallery.show("published")
