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
# Fu, Zhou, Ma and Zhang 2024 (arXiv 2402.00304). A re-design under the constraints that are public: the body of the
# paper was not available, it has no code, and no number of it is known. Only directions are judged.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
from redoubt.reports.figures import Gallery

gallery = Gallery(root, figures, "pssr")

# %% [markdown]
# ## Robustness

# %%
gallery.show("pssr_main")

# %%
gallery.show("pssr_attacks")

# %% [markdown]
# ## What the attacker knows
# A preprocessor that was trained on fixed attacks of the classifier usually falls under the full gradient.

# %%
gallery.show("pssr_protocols")

# %% [markdown]
# ## The decomposition
# If salient pixels carry the attack, the trivial part alone must be recognized more often.

# %%
gallery.show("pssr_pixels")

# %%
gallery.show("pssr_decomposition")

# %% [markdown]
# ## Modules

# %%
gallery.show("pssr_components")

# %%
gallery.show("pssr_ablations")
