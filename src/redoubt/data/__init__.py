"""Named data sets as one array file a split, with provenance; importing this does not import torch.

    redoubt prepare digits

`prepare` makes a folder, `load` opens it, `load(folder).split("train").tensors(device)` puts a split on the
device, `augment` and `to_float` turn its bytes into training batches.
"""

from redoubt.data.augment import augment, to_float
from redoubt.data.catalogue import Info, describe, names
from redoubt.data.dataset import Dataset, Split, load
from redoubt.data.preparing import prepare

__all__ = ["Dataset", "Info", "Split", "augment", "describe", "load", "names", "prepare", "to_float"]
