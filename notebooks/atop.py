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
# Lin, Li, Zhang, Tanaka and Zhao, ICLR 2024 (arXiv 2401.16352). The body of the paper was not available; its numbers
# here are those that the authors gave in the public reviews and logs.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "atop")

# %% [markdown]
# ## Table 1

# %%
gallery.show("atop_comparison")

# %% [markdown]
# ## Tables 2 and 4: robustness
# The same purifier and the same budget, with and without the classification term.

# %%
gallery.show("atop_main")

# %%
gallery.show("atop_transfer_figure")

# %% [markdown]
# ## Tables 3 and 5: unseen attacks
# If the random transform is what generalizes, the rows without one must lose more.

# %%
gallery.show("atop_unseen")

# %% [markdown]
# ## Table 6: the purifier

# %%
gallery.show("atop_purifiers")

# %% [markdown]
# ## Tables 7 and 8: random transforms

# %%
gallery.show("atop_transforms")

# %%
gallery.show("atop_transforms_table")

# %% [markdown]
# ## What the attacker knows
# The paper's tables 7 and 8 attack the classifier alone; a fair attack goes through everything.

# %%
gallery.show("atop_protocols")

# %%
gallery.show("atop_protocols_table")

# %%
gallery.show("atop_draws")

# %% [markdown]
# ## Examples

# %%
gallery.show("atop_pixels")

# %%
gallery.show("atop_surface")

# %% [markdown]
# ## Test-time randomness and ablations

# %%
gallery.show("atop_masks")

# %%
gallery.show("atop_sensitivity")

# %%
gallery.show("atop_ablations")
