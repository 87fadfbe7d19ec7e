"""CURE's released modes, CURE_Eff and the block study against numbers that their authors' functions gave."""

import numpy as np
import pytest
import torch

from redoubt.defenses import revision
from redoubt.defenses.block_freezing import BlockFreezing
from redoubt.defenses.cure import Cure
from redoubt.defenses.cure_eff import CureEff
from redoubt.defenses.pgd_at import PgdAt
from tests.fidelity.blocks import batch_of, begin, close, flat, inject
from tests.fidelity.golden import golden

ATTACK = {"steps": 10, "step_size": 0.007 / 0.031}
SHARED = {**ATTACK, "alpha": 0.3, "gamma": 0.8, "p": 0.3, "r": 0.6, "d": 0.999, "beta": 5.0}
SOFT = {"masked": "first_convolutions"}
MODES = {
    "rgp": {"score": "code"},
    "rgp_old": {"score": "code_old"},
    "rgp_soft": {"score": "code_soft", **SOFT},
    "rgp_soft_all": {"score": "code_soft_all", **SOFT},
    "readme": {"p": 0.0},
    "aux": {"score": "code", "consistency": ("kl", "at", "fitnet", "l2"), "gamma_at": 1.5, "gamma_l2": 0.4},
    "dynamic": {"score": "code", "r": 0.9, "r_decay": "halved"},
}


class Run:
    """A defense at work on the golden images with the golden draws; keeps what reaches the optimizer."""

    def __init__(self, kind, arrays, monkeypatch, **params):
        self.arrays, self.patch = arrays, monkeypatch
        self.defense, self.state = begin(kind, arrays["initial"], 0.031, 0.1, **params)
        self.logged, self.gradients = [], []
        for optimizer in self.state.optimizers.values():
            optimizer.register_step_pre_hook(self._keep)

    def _keep(self, optimizer, *_):
        held = [p.grad.flatten() for p in optimizer.param_groups[0]["params"] if p.grad is not None]
        self.gradients.append(torch.cat(held))

    def step(self, i):
        inject(self.patch, "normal_", self.arrays["noise"][i])
        if "draws" in self.arrays:
            self.patch.setattr(torch, "rand", lambda *_: self.arrays["draws"][i])
        self.logged.append(self.defense.step(batch_of(self.arrays, i), self.state))

    def losses(self):
        return torch.stack([m["loss"] for m in self.logged])


@pytest.mark.parametrize("mode", MODES)
def test_six_steps_of_each_released_mode(mode, monkeypatch):
    """Losses, norms and zeros of the masked gradients at every step; weights and statistics at last."""
    arrays, _ = golden("cure")
    run = Run(Cure, arrays, monkeypatch, **{**SHARED, **MODES[mode]})
    if mode == "aux":
        picked = iter(arrays["aux.picks"].tolist())  # places among stem and four blocks
        monkeypatch.setattr(revision, "pick", lambda last: next(picked) - 5)
    run.state.epochs, run.state.steps_per_epoch = 200, 2
    for i in range(6):
        run.state.epoch, run.state.step = 98 + i // 2, 2 * 98 + i
        run.step(i)
    losses = run.losses()
    if mode == "rgp_soft_all":  # there the script logs another loss than the one whose gradient it steps by
        losses = torch.stack([m["natural"] + 5.0 * m["kl"] + 0.8 * m["consistency"] for m in run.logged])
    close(losses, arrays[f"{mode}.losses"])
    close(torch.stack([g.norm() for g in run.gradients]), arrays[f"{mode}.norms"])
    if (zero := arrays.get(f"{mode}.zero")) is not None:
        found = np.packbits((torch.stack(run.gradients) == 0).numpy(), axis=1)
        assert torch.equal(torch.from_numpy(found), zero)
    for network, name in ((run.state.model.classifier, "after"), (run.state.model.revision, "revision")):
        if f"{mode}.{name}" in arrays:
            close(flat(network), arrays[f"{mode}.{name}"])


@pytest.mark.parametrize("kind", ["copied", "shared"])
def test_cure_eff_before_and_after_the_switch(kind, monkeypatch):
    arrays, _ = golden("cure_eff")
    params = {**SHARED, "score": "code", "switch": 0.5, "shared": kind == "shared"}
    run = Run(CureEff, arrays, monkeypatch, **params)
    for i in range(6):
        run.state.epoch = (0, 1, 2, 2, 3, 3)[i]
        run.step(i)
    model = run.state.model
    close(flat(model.classifier), arrays[f"{kind}.after"])
    close(torch.cat([p.flatten() for p in model.revision.parameters()]), arrays[f"{kind}.revision"])


BLOCKS = {"u_1": ["block1"], "u_23": ["block2", "block3"], "u_345": ["block3", "block4", "head"]}


@pytest.mark.parametrize("mode", ["all", *BLOCKS])
def test_adversarial_training_of_all_blocks_and_of_some(mode, monkeypatch):
    arrays, _ = golden("block_freezing")
    if mode == "all":
        run = Run(PgdAt, arrays, monkeypatch, start="normal", **ATTACK)
    else:
        original = BlockFreezing.initialize

        def seeded(self, model, source):
            torch.manual_seed(7)
            original(self, model, source)

        monkeypatch.setattr(BlockFreezing, "initialize", seeded)
        run = Run(BlockFreezing, arrays, monkeypatch, update=tuple(BLOCKS[mode]), **ATTACK)
    if f"{mode}.begun" in arrays:
        close(flat(run.state.model), arrays[f"{mode}.begun"])
    for i in range(4):
        run.step(i)
    close(run.losses(), arrays[f"{mode}.losses"])
    close(flat(run.state.model), arrays[f"{mode}.after"])
