"""What the experiments of `probes` look at: a model, the first images that it classifies correctly, and PGD on them."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from redoubt import attacks
from redoubt.attacks.core.checked_input import Model
from redoubt.attacks.core.engine import predict
from redoubt.attacks.core.eot import repeated
from redoubt.evaluation.checks import SLACK

STEPS = 20
EOT = 10


@dataclass(frozen=True)
class Subject:
    """The model and the images that every experiment looks at.

    Attributes:
        x, y: (N, C, H, W) and (N,), all of them classified correctly.
        eps, norm: the threat model under test.
        random: the model draws at random.
        stands: (N,) bool, which of them survived the main attacks; None where that is not known.
    """

    model: Model
    x: Tensor
    y: Tensor
    eps: float
    norm: str
    seed: int
    random: bool
    stands: Tensor | None

    @property
    def allowance(self) -> float:
        """One image may differ by luck, however few there are; three for a random model."""
        return max(SLACK, (3 if self.random else 1) / len(self.x))

    @property
    def known(self) -> Tensor | None:
        """`stands` where it can be held against: a random model stands by luck."""
        return None if self.random else self.stands

    @cached_property
    def logits(self) -> Tensor:
        """(N, K) at the clean images, one draw."""
        return predict(self.model, self.x, len(self.x))

    @cached_property
    def short(self) -> Tensor:
        """(N,) right under PGD-20."""
        return self.pgd()

    @cached_property
    def long(self) -> Tensor:
        """(N,) right under PGD-80 with two restarts."""
        return self.pgd(steps=4 * STEPS, restarts=2)

    @cached_property
    def by_margin(self) -> Tensor:
        """(N,) right under PGD-20 on the margin loss."""
        return self.pgd(loss="margin")

    def again(self) -> Tensor:
        """PGD-20 once more: a random model answers anew."""
        return self.pgd() if self.random else self.short

    def pgd(self, eps: float | None = None, **params) -> Tensor:
        """(N,) share of fresh predictions that are right under PGD: 0 or 1 for a deterministic model."""
        given = {"steps": STEPS, "eot": EOT if self.random else 1, "batch_size": len(self.x), **params}
        return self.attacked("pgd", eps, **given)

    def attacked(self, name: str, eps: float | None = None, **params) -> Tensor:
        """(N,) share of fresh predictions that are right under an attack."""
        shared = {"eps": self.eps if eps is None else eps, "norm": self.norm, "seed": self.seed}
        result = attacks.get(name)(self.model, self.x, self.y, **shared, **params)
        return self.judge(result.x_adv) if self.random else result.correct.float()

    def judge(self, x_adv: Tensor) -> Tensor:
        """(N,) share of ten fresh predictions that are right."""
        return repeated(self.model, x_adv, self.y, seed=self.seed, batch_size=len(x_adv)).fraction
