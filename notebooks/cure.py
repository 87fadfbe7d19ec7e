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
# Gowda, Zonooz and Arani, ICLR 2024 (arXiv 2401.14948). Numbers of tables and figures are those of arXiv v1; the paper
# reports single runs without spread.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "cure")

# %% [markdown]
# ## Tables 1, 2 and 8: main comparison
# NRR is the harmonic mean of natural and robust accuracy, SUM their sum.

# %%
gallery.show("cure_main")

# %%
gallery.show("cure_tradeoff")

# %% [markdown]
# ## Table 3: robust overfitting
# Best minus last weights under the same attack.

# %%
gallery.show("best_last")

# %%
gallery.show("cure_curves")

# %% [markdown]
# ## Tables 4 and 5: the start
# Does a natural training before explain the gain, and can it be left out?

# %%
gallery.show("cure_eff_table")

# %%
gallery.show("cure_pretrained")

# %% [markdown]
# ## Table 6: deeper networks

# %%
gallery.show("cure_deeper")

# %% [markdown]
# ## Table 7: components

# %%
gallery.show("cure_components")

# %% [markdown]
# ## Table 10: sensitivity

# %%
gallery.show("cure_sensitivity")

# %%
gallery.show("cure_sensitivity_table")

# %% [markdown]
# ## Figures 2(b), 4 and 11: which blocks learn
# The small network of digits has four parts that stand for the paper's four blocks.

# %%
gallery.show("cure_blocks")

# %%
gallery.show("cure_blocks_table")

# %%
gallery.show("cure_block_curves")

# %% [markdown]
# ## Figures 3 and 12: representations
# A bright diagonal: the attack moves the representations little.

# %%
gallery.show("cure_cka")

# %% [markdown]
# ## Figure 5(b): strength of the attack

# %%
gallery.show("cure_strength")

# %% [markdown]
# ## Figures 6 and 10: gradients and updated weights

# %%
gallery.show("cure_gradients")

# %%
gallery.show("cure_gradients_at_the_end")

# %%
gallery.show("cure_updated")

# %% [markdown]
# ## Figures 7 and 9: corruptions

# %%
gallery.show("cure_corruptions")

# %% [markdown]
# ## Figure 8: smallest perturbations

# %%
gallery.show("cure_smallest")
