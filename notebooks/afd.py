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
# Zhou, Zhou, Liu, Wang and Gao, AAAI 2025 (arXiv 2401.14707). Does it help to take apart what in a feature belongs to
# the class and what confuses it, and to align the first with the natural network?
# Figures are named after the images of the public repository.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "afd")

# %% [markdown]
# ## Which of its claims hold?
# Every claim that a run can test, as comparisons of two runs on the same images and seeds.

# %%
gallery.show("afd_claims")

# %% [markdown]
# **What it does not show.** The paper's numbers on CIFAR and Tiny ImageNet: a small study judges directions alone.

# %% [markdown]
# ## Does the feature gap stop growing? (figure 1(a))
# What each fine-tuning logged by epoch. The claim is about the trend at the end, not about the level.

# %%
gallery.show("afd_gap")

# %% [markdown]
# **What it does not show.** Robustness: a small gap is a means.

# %% [markdown]
# ## Is it more robust than other fine-tuning? (tables 1 and 2)
# AFD, four other ways of fine-tuning, and adversarial training from scratch.

# %%
gallery.show("afd_main")

# %% [markdown]
# **What it does not show.** Spread over seeds where a rival has one.

# %% [markdown]
# ## How much hangs on alpha, beta and gamma?
# One value varied at a time. Only measured values are drawn.

# %%
gallery.show("afd_sensitivity")

# %% [markdown]
# **What it does not show.** A better setting between or beside them.

# %% [markdown]
# ## Are the features taken apart?
# A picture of adversarial features, how far the classes stand apart in them, and how often either branch is right.

# %%
gallery.show("afd_embedding")

# %%
gallery.show("afd_branches")

# %%
gallery.show("afd_branches_by_epoch")

# %% [markdown]
# **What it does not show.** Distances: t-SNE keeps neighbors alone. The attack is on the deployed branch; an attacker
# who knows the other one is in the table of AFD's attacks.

# %% [markdown]
# ## Which part adds what?
# One part left out or changed at a time.

# %%
gallery.show("afd_components")

# %%
gallery.show("afd_ablations")

# %% [markdown]
# **What it does not show.** Interactions of parts; most variants have one seed.

# %% [markdown]
# ## What does it cost?
# Seconds an epoch from the training records.

# %%
gallery.show("afd_cost")

# %% [markdown]
# **What it does not show.** Seconds of another machine; other work may have shared this one.
