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
# Can the numbers be believed? Checks after Carlini et al. (2019) and Croce and Hein (2020), as pictures.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "validity")

# %% [markdown]
# ## Did every check pass?
# Each run is checked once it was attacked. A failed check does not remove a number: it stands beside it, here and in
# the tables.

# %%
gallery.show("checks_passed")

# %%
gallery.show("checks")

# %% [markdown]
# **What it does not show.** That a defense is robust: checks find known mistakes of an evaluation.

# %% [markdown]
# ## Do stronger attacks leave less?
# The protocol's attacks from weak to strong, a panel a paper. A defense that keeps more under a stronger attack masks
# its gradients.

# %%
gallery.show("attack_ordering")

# %% [markdown]
# **What it does not show.** Attacks that no row has.

# %% [markdown]
# ## Does every model break?
# PGD of growing radius. At a large one nothing should be left.

# %%
gallery.show("success_by_radius")

# %% [markdown]
# **What it does not show.** The defenses that the sweep leaves out.

# %% [markdown]
# ## Do our attacks find what is there?
# Networks that others trained, whose truth is known or bounded: an attack that reports less than the proof is wrong.

# %%
gallery.show("above_the_truth")

# %%
gallery.show("published")

# %% [markdown]
# **What it does not show.** How tight a proof is: the gap may be the attack's or the proof's.
