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
# # PSSR: remove, then restore
# Fu, Zhou, Ma and Zhang 2024 (arXiv 2402.00304). Can the pixels that carry an attack be cut out and the image be
# restored from the others?
# A re-design under the constraints that are public: the body of the paper was not available, it has no code, and no
# number of it is known. Only directions are judged.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "pssr")

# %% [markdown]
# ## Which of its claims hold?
# Every claim that a run can test, as comparisons of two runs, or of a run with a threshold, on the same images and
# seeds.

# %%
gallery.show("pssr_claims")

# %% [markdown]
# **What it does not show.** The authors' system: a claim that fails here fails for our re-design.

# %% [markdown]
# ## Is it more robust than adversarial training?
# PSSR, the network that it stands before, and adversarial training, under every attack that PSSR faces.

# %%
gallery.show("pssr_main")

# %%
gallery.show("pssr_attacks")

# %% [markdown]
# **What it does not show.** Other pixels' rules and restorers than those that we tried.

# %% [markdown]
# ## What is left when the attacker knows of it?
# From attacks on the classifier alone to the full gradient. A preprocessor that was trained on fixed attacks usually
# falls under it.

# %%
gallery.show("pssr_protocols")

# %% [markdown]
# **What it does not show.** How the paper's own BPDA was built, which is not public.

# %% [markdown]
# ## Do salient pixels carry the attack?
# The classifier on each part alone. If they do, the trivial part alone must be recognized more often than as many
# random pixels.

# %%
gallery.show("pssr_pixels")

# %%
gallery.show("pssr_decomposition")

# %% [markdown]
# **What it does not show.** Attacks through the whole system: these are on the classifier alone; one seed.

# %% [markdown]
# ## Which module adds what?
# One module or choice changed at a time.

# %%
gallery.show("pssr_components")

# %%
gallery.show("pssr_ablations")

# %% [markdown]
# **What it does not show.** Differences in the worst case, where nothing is left to differ.
