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
# # CURE: conserve, update, revise
# Gowda, Zonooz and Arani, ICLR 2024 (arXiv 2401.14948). Does a network keep natural accuracy and gain robustness if
# some weights are conserved, some updated, and all revised by a moving average?
# Numbers of tables and figures are those of arXiv v1; the paper reports single runs without spread.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "cure")

# %% [markdown]
# ## Which of its claims hold?
# Every claim that a run can test, as comparisons of two runs on the same images and seeds.

# %%
gallery.show("cure_claims")

# %% [markdown]
# **What it does not show.** The paper's numbers on CIFAR: a small study judges directions alone.

# %% [markdown]
# ## Does it have the best balance? (tables 1, 2 and 8)
# CURE beside its baselines. NRR is the harmonic mean of natural and robust accuracy, SUM their sum.

# %%
gallery.show("cure_main")

# %%
gallery.show("cure_tradeoff")

# %% [markdown]
# **What it does not show.** Which of the two accuracies a user needs: one number hides it.

# %% [markdown]
# ## Does it overfit? (table 3, figure 5(c))
# Best minus last weights under the same attack, and validation accuracy by epoch.

# %%
gallery.show("best_last")

# %%
gallery.show("cure_curves")

# %% [markdown]
# **What it does not show.** The paper's long schedule, after whose decay of the learning rate AT falls.

# %% [markdown]
# ## Does a natural start explain the gain? (tables 4 and 5)
# CURE_Eff without a separate natural training, and baselines that start from naturally trained weights.

# %%
gallery.show("cure_eff_table")

# %%
gallery.show("cure_pretrained")

# %% [markdown]
# **What it does not show.** Starts of other kinds.

# %% [markdown]
# ## Does it hold on deeper networks? (table 6)
# Not run: the sentence below says why.

# %%
gallery.show("cure_deeper")

# %% [markdown]
# **What it does not show.** Anything about deeper networks.

# %% [markdown]
# ## Are both parts needed? (table 7)
# Conservation and revision, on and off.

# %%
gallery.show("cure_components")

# %% [markdown]
# **What it does not show.** Each part's best setting alone: the values are those of the whole.

# %% [markdown]
# ## How much hangs on p, alpha and gamma? (table 10)
# One value varied at a time. Only measured values are drawn.

# %%
gallery.show("cure_sensitivity")

# %%
gallery.show("cure_sensitivity_table")

# %% [markdown]
# **What it does not show.** A better setting between or beside them.

# %% [markdown]
# ## Which blocks have to learn? (figures 2(b), 4 and 11)
# Adversarial training of some blocks of a naturally trained network, the others frozen. The small network of digits
# has four parts that stand for the paper's four blocks.

# %%
gallery.show("cure_blocks")

# %%
gallery.show("cure_blocks_table")

# %%
gallery.show("cure_block_curves")

# %% [markdown]
# **What it does not show.** That the parts of a small network do what the blocks of a ResNet do; most have one seed.

# %% [markdown]
# ## Does the attack move the representations? (figures 3 and 12)
# CKA of each layer on natural images with each layer on adversarial ones. A bright diagonal: the attack moves them
# little.

# %%
gallery.show("cure_cka")

# %% [markdown]
# **What it does not show.** A cause of robustness: similar representations are seen in networks of very different
# accuracy.

# %% [markdown]
# ## Better at every radius? (figure 5(b))
# PGD of growing radius against the first seed of each.

# %%
gallery.show("cure_strength")

# %% [markdown]
# **What it does not show.** Spread over seeds.

# %% [markdown]
# ## Are its gradients smaller, and which weights move? (figures 6 and 10)
# What the training logged in each epoch, and the trained weights on adversarial images.

# %%
gallery.show("cure_gradients")

# %%
gallery.show("cure_gradients_at_the_end")

# %%
gallery.show("cure_updated")

# %% [markdown]
# **What it does not show.** Why: a smaller gradient may be masked as well as robust, which the checks of the validity
# notebook test.

# %% [markdown]
# ## Is it better under corruptions? (figures 7 and 9)
# Seventeen corruptions of one severity, mean over each group.

# %%
gallery.show("cure_corruptions")

# %% [markdown]
# **What it does not show.** The paper's severities and image size: a corruption of an image of 8 x 8 pixels is
# another one.

# %% [markdown]
# ## How small a change fools it? (figure 8)
# A bisection over the radius of PGD on the first images that every network gets right.

# %%
gallery.show("cure_smallest")

# %% [markdown]
# **What it does not show.** A distribution: few images, for looking at.
