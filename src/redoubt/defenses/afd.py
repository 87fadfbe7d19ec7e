"""AFD, adversarial fine-tuning via disentanglement: Zhou, Zhou, Liu, Wang, Gao, AAAI 2025 (arXiv 2401.14707).

Symbols as in the paper: g is the backbone, (w, b) the linear head, D_1 and D_2 the disentanglers, f_1 the intrinsic
and f_2 the confused feature of x_adv, f'_nat the frozen natural network's feature of x.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.defenses.base import Batch, State, View
from redoubt.defenses.parameters.afd import AfdParams
from redoubt.defenses.vaft import Vaft, WithStart, feature_gap
from redoubt.models.base import Classifier


class ResidualMlp(nn.Module):
    """f + V relu(U f): the identity at first, since V starts at 0."""

    def __init__(self, d: int):
        super().__init__()
        self.u, self.v = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        nn.init.zeros_(self.v.weight)

    def forward(self, f: Tensor) -> Tensor:
        return f + self.v(self.u(f).relu())


def disentangler(kind: str, d: int) -> nn.Module:
    """A map of (N, D) features that starts as the identity: a bias-free matrix, an MLP, or nothing."""
    if kind == "none":
        return nn.Identity()
    if kind == "mlp":
        return ResidualMlp(d)
    matrix = nn.Linear(d, d, bias=False)
    nn.init.eye_(matrix.weight)
    return matrix


class Disentangled(WithStart):
    """Attributes: classifier (g, w, b), start (the natural network), D1 and D2; its logits are z_1 alone."""

    def __init__(self, classifier: Classifier, kind: str):
        super().__init__(classifier)
        d = classifier.head.in_features
        self.D1, self.D2 = disentangler(kind, d), disentangler(kind, d)

    def forward(self, x: Tensor) -> Tensor:
        g, w = self.classifier.features, self.classifier.head
        return w(self.D1(g(x)))

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(z_1 (N, K), z_2 = w D_2 g(x) + b (N, K), f_1 (N, D)), nothing of it detached."""
        w, f = self.classifier.head, self.classifier.features(x)
        f1 = self.D1(f)
        return w(f1), w(self.D2(f)), f1

    def confused(self, x: Tensor) -> Tensor:
        """z_2 (N, K)."""
        return self.branches(x)[1]

    def folded(self) -> nn.Module:
        """The classifier with w' = w D_1, which has the plain architecture; shares no storage with this one."""
        f = copy.deepcopy(self.classifier)
        if isinstance(self.D1, nn.Linear):
            with torch.no_grad():
                f.head.weight.copy_(self.classifier.head.weight @ self.D1.weight)
        return f


class Mixed(nn.Module):
    """z_1 + c z_2: an attacker who knows D_2.

    c below 0 lowers the real prediction while raising the confused one; above 0 both branches are attacked at once.
    """

    def __init__(self, model: Disentangled, c: float):
        super().__init__()
        self.model, self.c = model, c
        self.training = model.training

    def forward(self, x: Tensor) -> Tensor:
        z1, z2, _ = self.model.branches(x)
        return z1 + self.c * z2


def wrong_label(z1: Tensor, y: Tensor) -> Tensor:
    """The label that D_2 looks for: argmax over c != y of z_1, i.e. the runner-up where z_1 is right. (N,)."""
    return z1.detach().scatter(1, y[:, None], -torch.inf).argmax(1)


class Afd(Vaft[Disentangled]):
    """L_1 trains D_2; L_2 + L_3 trains g, w, b and D_1."""

    graphs = False

    Params = AfdParams
    params: AfdParams

    def build(self) -> Disentangled:
        return Disentangled(self.classifier(), self.params.disentangler)

    def deployed(self, model: Disentangled) -> nn.Module:
        return model if self.params.disentangler == "mlp" else model.folded()

    def adaptive(self, model: Disentangled) -> dict[str, View]:
        return {
            **super().adaptive(model),
            "unfolded": View(
                model, "w D_1 g(x) before D_1 is folded into the head; its features can be attacked too"
            ),
            "minus_confused": View(Mixed(model, -1.0), "z_1 - z_2: the attacker knows D_2"),
            "both_branches": View(Mixed(model, 1.0), "z_1 + z_2: the attacker aims at both heads at once"),
        }

    def optimizers(self, model: Disentangled, make) -> dict[str, torch.optim.Optimizer]:
        c = self.params
        rest, confused = [*model.classifier.parameters(), *model.D1.parameters()], [*model.D2.parameters()]
        if not confused:
            return {"model": make(rest)}
        if c.update == "released":
            # The steps on `.data` are invisible to autograd: what goes back later meets the weights as they stand.
            hidden = {"first": make([w.data for w in rest]), "D2": make([w.data for w in confused])}
            return {"model": make(rest), **hidden}
        main = make(rest)
        if c.update == "double":
            # The released code steps these weights twice a batch, and each step decays them.
            for group in main.param_groups:
                group["weight_decay"] *= 2
        return {"model": main, "D2": make(confused)}

    def losses(self, batch: Batch, x_adv: Tensor, model: Disentangled) -> tuple[dict[str, Tensor], dict]:
        """L1, L2 and L3 with their weights, and what to log.

        L_1 = alpha CE(z_2, wrong label); L_2 = beta cos(f_1, f_2); L_3 = CE(z_1, y) + gamma (1 - cos(f_1, f'_nat)).
        """
        c, w = self.params, model.classifier.head
        f_adv = model.classifier.features(x_adv)
        f1, f2 = model.D1(f_adv), model.D2(f_adv.detach() if c.stop_gradient else f_adv)
        z1 = w(f1)
        z2 = (
            w(f2)
            if c.trains_head or c.update != "single_graph"
            else F.linear(f2, w.weight.detach(), w.bias.detach())
        )
        f_nat = model.natural(batch.x)
        target = f_nat if c.aligns_with == "natural" else model.natural(x_adv)
        ce, cos = F.cross_entropy(z1, batch.y), F.cosine_similarity(f1, f2).mean()
        alignment = 1 - F.cosine_similarity(f1, target).mean()
        confused = F.cross_entropy(z2, wrong_label(z1, batch.y))
        terms = {
            "L1": c.alpha * confused,
            "L2": c.beta * cos,
            "L3": ce + c.gamma * alignment if c.gamma else ce,
        }
        logged = {"adversarial": ce, "confused": confused, "cosine": cos, "alignment": alignment}
        right = {f"accuracy_z{i}": (z.argmax(1) == batch.y).float().mean() for i, z in ((1, z1), (2, z2))}
        return terms, {k: v.detach() for k, v in {**logged, **right, **feature_gap(f_nat, f1)}.items()}

    def step(self, batch: Batch, state: State) -> dict[str, Tensor]:
        """One batch: D_2 moves by the gradient of L_1, and g, w, b, D_1 by that of L_2 + L_3."""
        terms, logged = self.losses(batch, self.adversary(batch, state), state.model)
        move = self.in_turn if "first" in state.optimizers else self.at_once
        move(terms, state)
        total = terms["L1"] + terms["L2"] + terms["L3"]
        return {"loss": total.detach(), **logged}

    def in_turn(self, terms: dict[str, Tensor], state: State) -> None:
        """The released order, tl+sl.py 215-264: gradients are cleared once, then add up over three steps.

        L_1 and a step of D_2; L_2 and a step of all else, which moves w and b by L_1 too; L_3 and a second step of
        all else, with momentum of its own, by L_1 + L_3 on w and b and by L_2 + L_3 on the others. L_3 goes back
        through activations of the first weights and weights that L_2 has moved, as PyTorch before 1.5 let it. Under
        bf16 autocast it meets copies of the first weights instead.
        """
        model = state.model
        rest = [*model.classifier.parameters(), *model.D1.parameters()]
        model.zero_grad(set_to_none=True)
        for term, name, moved in (
            ("L1", "D2", list(model.D2.parameters())),
            ("L2", "first", rest),
            ("L3", "model", rest),
        ):
            terms[term].backward(retain_graph=term != "L3")
            optimizer = state.optimizers[name]
            for held, w in zip(optimizer.param_groups[0]["params"], moved, strict=True):
                held.grad = w.grad
            optimizer.step()
        model.zero_grad(set_to_none=True)

    def at_once(self, terms: dict[str, Tensor], state: State) -> None:
        """All gradients at the same weights, then one step.

        `double` sums what the released code's two steps a batch apply: 2 L_2 + L_3 on g and D_1, and 2 L_1 + L_3
        on w and b. Neither lets L_2 move D_2: there its gradient is thrown away.
        """
        model, twice = state.model, 2 if self.params.update == "double" else 1
        rest = [*model.classifier.parameters(), *model.D1.parameters()]
        confused = list(model.D2.parameters())
        total = twice * (terms["L1"] + terms["L2"]) + terms["L3"] if confused else terms["L3"]
        g = torch.autograd.grad(total, rest, retain_graph=True)
        if confused:
            g += torch.autograd.grad(terms["L1"], confused)
        for weight, gradient in zip([*rest, *confused], g, strict=True):
            weight.grad = gradient
        for optimizer in state.optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
