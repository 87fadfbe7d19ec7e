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
# Natural accuracy against accuracy under attack, and how training went. Run by Snakemake through papermill.

# %% tags=["parameters"]
root = "."
figures = "reports/figures"

# %%
import os
from pathlib import Path

os.chdir(root)
from redoubt import figures as f
from redoubt import results
from redoubt.provenance import read_record
from redoubt.workflow import Plan

f.style()
plan = Plan()
tidy = results.frame([Path(p) for p in plan.all_results()])
main = tidy[tidy["variant"] == "main"]
seeds, n = main["seed"].nunique(), int(main["n"].max())

# %% [markdown]
# ## Clean against robust
# Up and to the right is better. A point is one seed on the same test images.

# %%
f.save(
    f.clean_against_robust(main, "worst"),
    Path(figures),
    "clean_against_robust",
    "Natural accuracy against accuracy under the worst of the attacks that every seed faced, image by image; "
    f"n = {n} test images, {seeds} training seeds.",
)

# %% [markdown]
# ## Training curves
# Measured on the validation split, which selects the checkpoint; test images are never seen here.

# %%
records = [read_record(Path(p), "redoubt train") for p in plan.all_records() if "/main/" in p]
f.save(
    f.training_curves(records),
    Path(figures),
    "training_curves",
    f"Validation accuracy by epoch: mean over {seeds} seeds, band from lowest to highest.",
)
