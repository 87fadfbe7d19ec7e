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
# Which of the defenses keep their accuracy when all of them get the same images, seeds, budget and attacks? No paper
# asked this of the other four.
# Each section asks a question, says what is run, shows the figure with the sentence that its numbers give, and ends
# with what it does not show. Snakemake runs this through papermill.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "overview")

# %% [markdown]
# ## Which defense keeps most under one protocol?
# Every main variant is trained on the same images and attacked through its own adaptive view, by every attack of the
# protocol that applies to it. The worst case is the minimum image by image over those attacks.

# %%
gallery.show("adaptive_protocol")

# %%
gallery.show("main")

# %%
gallery.show("pairs")

# %% [markdown]
# **What it does not show.** Whether the order holds on other data: it is that of this study's images, radius and
# budget. Intervals that cross leave an order open; the table of pairs compares image by image. An attack that nobody
# thought of can lower any row.

# %% [markdown]
# ## Does robustness cost natural accuracy?
# The same runs, natural accuracy against the worst case, a panel a paper. Up and to the right is better.

# %%
gallery.show("clean_against_robust")

# %% [markdown]
# **What it does not show.** A trade-off within one defense: each stands here with one setting, and the papers'
# notebooks vary it.

# %% [markdown]
# ## Does the training overfit?
# Accuracy on the validation split after each epoch; it selects the weights. Test images are never seen here.

# %%
gallery.show("training_curves")

# %% [markdown]
# **What it does not show.** Robustness: the PGD of validation is short and weaker than the attacks above.
