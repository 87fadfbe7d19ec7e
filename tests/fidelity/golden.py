"""Numbers that the authors' functions gave: `golden("trades")` is (arrays by name, what is known of them)."""

from pathlib import Path

import numpy as np
import torch
import yaml

FOLDER = Path(__file__).parent / "golden"


def golden(method: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors of `golden/METHOD.npz` and the content of `golden/METHOD.yaml`."""
    with np.load(FOLDER / f"{method}.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    return arrays, yaml.safe_load((FOLDER / f"{method}.yaml").read_text(encoding="utf-8"))
