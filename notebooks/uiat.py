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
# Dong, Moosavi-Dezfooli, Lai and Xie, CVPR 2023 (arXiv 2211.00525). Does it help to align a network's answer on an
# adversarial example with its answer on an inverse one, an image that was changed to be easier?
# No official code and no public number of its tables was found: every value marked `ours` is a choice of this
# replication, and only directions are judged.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "uiat")

# %% [markdown]
# ## Which of its claims hold?
# Every claim that a run can test, as comparisons of two runs on the same images and seeds.

# %%
gallery.show("uiat_claims")

# %% [markdown]
# **What it does not show.** The paper's own numbers: none is public, and the data set here is not its.

# %% [markdown]
# ## Is it more accurate than other adversarial training?
# UIAT, PGD-AT, TRADES and MART, same budget.

# %%
gallery.show("uiat_main")

# %% [markdown]
# **What it does not show.** The WideResNets of the paper, where the gain may be another.

# %% [markdown]
# ## Better under weak attacks and worse under strong ones?
# PGD of growing radius against the first seed of each. If the claim holds, the curves cross.

# %%
gallery.show("uiat_strength")

# %%
gallery.show("uiat_strength_table")

# %% [markdown]
# **What it does not show.** Spread over seeds: the sweep takes one. Past the radius of training nobody claims
# robustness.

# %% [markdown]
# ## Does it narrow the gap between sure and unsure images?
# The test images are split in halves by their natural loss; PGD raises the loss, the inverse attack, at negative
# radii, lowers it.

# %%
gallery.show("uiat_confidence")

# %%
gallery.show("confidence")

# %% [markdown]
# **What it does not show.** The paper's definition of confidence, which is not public; ours is the natural loss.

# %% [markdown]
# ## Does it overfit less?
# Validation accuracy under PGD by epoch, beside the control without alignment.

# %%
gallery.show("uiat_overfitting")

# %% [markdown]
# **What it does not show.** Long schedules: robust overfitting appears after many more epochs than these.

# %% [markdown]
# ## Which component adds what?
# One component left out or replaced at a time, everything else as in the main variant.

# %%
gallery.show("uiat_components")

# %%
gallery.show("uiat_ablations")

# %% [markdown]
# **What it does not show.** Interactions of components; most variants have one seed, so that a small difference is
# none.

# %% [markdown]
# ## Can the perturbations be computed once and frozen?
# One epoch computes them for each class, the others use them.

# %%
gallery.show("uiat_one_off")

# %% [markdown]
# **What it does not show.** The paper's sweep over that epoch, of which the study runs a part.

# %% [markdown]
# ## Does it lift single-step training?
# FGSM-RS and N-FGSM alone and with UIAT.

# %%
gallery.show("uiat_single_step")

# %%
gallery.show("uiat_single_step_table")

# %% [markdown]
# **What it does not show.** Catastrophic overfitting at larger radii, which single-step training is known for.

# %% [markdown]
# ## How much hangs on the values that had to be chosen?
# One value varied at a time. Only measured values are drawn.

# %%
gallery.show("uiat_sensitivity")

# %% [markdown]
# **What it does not show.** A better setting between or beside them.

# %% [markdown]
# ## What does it cost?
# Seconds an epoch from the training records.

# %%
gallery.show("uiat_cost")

# %% [markdown]
# **What it does not show.** Seconds of another machine; other work may have shared this one.
