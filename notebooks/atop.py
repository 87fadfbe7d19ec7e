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
# # AToP: adversarial training on purification
# Lin, Li, Zhang, Tanaka and Zhao, ICLR 2024 (arXiv 2401.16352). Does a purifier protect a classifier better once it
# was fine-tuned on adversarial examples, behind random transforms?
# The body of the paper was not available; its numbers here are those that the authors gave in the public reviews and
# logs.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "atop")

# %% [markdown]
# ## Which of its claims hold?
# Every claim that a run can test, as comparisons of two runs on the same images and seeds.

# %%
gallery.show("atop_claims")

# %% [markdown]
# **What it does not show.** The paper's numbers on CIFAR and ImageNette: a small study judges directions alone.

# %% [markdown]
# ## Is there a defense that is robust, general and cheap? (table 1)
# A comparison in words; the sentence below says why it is not run.

# %%
gallery.show("atop_comparison")

# %% [markdown]
# **What it does not show.** Anything measured.

# %% [markdown]
# ## Does the classification term add robustness? (tables 2 and 4)
# The same purifier and the same budget, with and without it; then before a classifier that it never saw.

# %%
gallery.show("atop_main")

# %%
gallery.show("atop_transfer_figure")

# %% [markdown]
# **What it does not show.** Certainty: a random system is attacked with averaged gradients, which is slow, so that
# images are few and intervals wide.

# %% [markdown]
# ## Does it help against attacks that no training saw? (tables 3 and 5)
# l2 and StAdv attacks. If the random transform is what generalizes, rows without one must lose more.

# %%
gallery.show("atop_unseen")

# %% [markdown]
# **What it does not show.** Attacks of yet other kinds; one seed, few images.

# %% [markdown]
# ## Does it depend on the purifier? (table 6)
# An inpainter and a masked autoencoder, before and after AToP.

# %%
gallery.show("atop_purifiers")

# %% [markdown]
# **What it does not show.** The GAN and the diffusion model of the paper at their size.

# %% [markdown]
# ## Which random transform is needed? (tables 7 and 8)
# Each transform with the purifier alone and after AToP.

# %%
gallery.show("atop_transforms")

# %%
gallery.show("atop_transforms_table")

# %% [markdown]
# **What it does not show.** Robustness where the attack is oblivious: it does not know of the purifier.

# %% [markdown]
# ## How much of it is left when the attacker knows more?
# The paper's tables 7 and 8 attack the classifier alone; a fair attack goes through everything.

# %%
gallery.show("atop_protocols")

# %%
gallery.show("atop_protocols_table")

# %%
gallery.show("atop_draws")

# %% [markdown]
# **What it does not show.** The strongest possible attack: more draws and steps could lower each row, never raise it.

# %% [markdown]
# ## What do the images look like?
# The first images through each stage; the loss surface is not made.

# %%
gallery.show("atop_pixels")

# %%
gallery.show("atop_surface")

# %% [markdown]
# **What it does not show.** More than an illustration.

# %% [markdown]
# ## Does the randomness at test time matter?
# AToP with its masks fixed or drawn, its weight varied, and every other variant.

# %%
gallery.show("atop_masks")

# %%
gallery.show("atop_sensitivity")

# %%
gallery.show("atop_ablations")

# %% [markdown]
# **What it does not show.** Security: randomness that an attacker can average away is none, which the draws above
# test.
