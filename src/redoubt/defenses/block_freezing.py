"""The layer study of CURE (Gowda, Zonooz, Arani, ICLR 2024, arXiv 2401.14948, section 3 and appendix G).

A network trained on natural images is trained on with the adversarial training of Madry et al., some of its blocks
only: U-b updates the blocks whose numbers are in b and freezes the others.
"""

from torch import nn

from redoubt.defenses.parameters.block_freezing import BlockFreezingParams
from redoubt.defenses.pgd_at import PgdAt
from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier


def reinitialize(block: nn.Module) -> None:
    """Kaiming-uniform convolutions (fan-out, ReLU), linear layers N(0, 0.01) with bias 0; batch norm as trained."""
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


class BlockFreezing(PgdAt):
    """U-b: PGD-AT of the blocks named in `update`. Statistics of batch norm follow the data in every block."""

    paper = "2401.14948"

    Params = BlockFreezingParams
    params: BlockFreezingParams

    def build(self) -> Classifier:
        model = super().build()
        blocks, c = model.blocks(), self.params
        if unknown := [b for b in (*c.update, *c.never_frozen) if b not in blocks]:
            raise RedoubtError(
                "this classifier has no such block", key="update", value=unknown[0], allowed=list(blocks)
            )
        for name, parts in blocks.items():
            for part in parts:
                part.requires_grad_(name in (*c.update, *c.never_frozen))
        return model

    def initialize(self, model: Classifier, source: nn.Module) -> None:
        super().initialize(model, source)
        if self.params.reinitialized:
            for name in self.params.update:
                for part in model.blocks()[name]:
                    reinitialize(part)
