"""The layer study: which blocks move, which are drawn anew."""

import pytest
import torch

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.block_freezing import BlockFreezing
from redoubt.defenses.pgd_at import PgdAt
from redoubt.errors import RedoubtError
from redoubt.training.optimization import optimizer


def begin(kind=BlockFreezing, **params):
    defense = kind(
        shape=(10, 1, 8),
        architecture={"name": "small_cnn", "options": {"width": 4}},
        threat={"norm": "linf", "eps": 0.2},
        params=kind.Params(**params),
    )
    torch.manual_seed(0)
    model, source = defense.build().train(), defense.classifier()
    defense.initialize(model, source)
    make = optimizer(Training(source="test", epochs=1, lr=0.05))
    state = State(model, defense.optimizers(model, make), torch.Generator().manual_seed(0))
    x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return defense, state, source, Batch(x, torch.arange(12) % 10, torch.arange(12))


def changed(model, before):
    """Blocks whose parameters differ from a state dict's."""
    names = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    return {n.split(".")[1] if n.startswith("stages") else "head" for n in names}


@pytest.mark.parametrize(
    ("update", "moving"),
    [(("block2",), {"stem", "block2"}), (("block1", "head"), {"stem", "block1", "head"})],
)
def test_only_the_named_blocks_and_the_stem_move(update, moving):
    defense, state, _, batch = begin(update=update, reinitialized=False)
    before = {k: v.clone() for k, v in state.model.state_dict().items()}
    for _ in range(2):
        defense.step(batch, state)
    assert changed(state.model, before) == moving
    frozen = "stages.block1.1.running_mean" if "block1" not in moving else "stages.block2.1.running_mean"
    assert not torch.equal(state.model.state_dict()[frozen], before[frozen])


def test_only_updated_blocks_are_drawn_anew_and_batch_norm_stays():
    _, state, source, _ = begin(update=("block2", "head"))
    before = source.state_dict()
    assert changed(state.model, before) == {"block2", "head"}
    assert torch.equal(state.model.stages["block2"][1].weight, source.stages["block2"][1].weight)
    limit = (6 / (16 * 9)) ** 0.5  # Kaiming uniform, fan-out 16 channels of 3x3
    assert 0.9 * limit < state.model.stages["block2"][0].weight.abs().max() <= limit
    assert state.model.head.bias.abs().max() == 0
    _, state, source, _ = begin(update=("block2",), reinitialized=False)
    assert changed(state.model, source.state_dict()) == set()


def test_with_every_block_updated_it_is_pgd_at():
    ours = begin(update=("block1", "block2", "head"), reinitialized=False, steps=3)
    plain = begin(PgdAt, steps=3, start="normal")
    for defense, state, _, batch in (ours, plain):
        for _ in range(2):
            defense.step(batch, state)
    a, b = ours[1].model.state_dict(), plain[1].model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in b)
    defense, state, _, batch = begin(PgdAt, steps=3)
    for _ in range(2):
        defense.step(batch, state)
    assert any(not torch.equal(v, a[k]) for k, v in state.model.state_dict().items())


def test_an_unknown_block_is_named():
    with pytest.raises(RedoubtError, match="block"):
        begin(update=("block9",))
