"""A model as someone's own file has it, and copies of it that mask its gradients: factories for `redoubt judge`."""

from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("net.pt")
MEAN, STD = 0.3, 0.35


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.downsample(x))


class Net(nn.Module):
    """A ResNet in torchvision's manner, its normalization inside."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1, 1)
        self.layer1, self.layer2 = Block(8, 8, 1), Block(8, 16, 2)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1((x - MEAN) / STD))
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class Around(nn.Module):
    """Something done to the pixels before a model, or to its answer."""

    def __init__(self, before=None, after=None):
        super().__init__()
        self.net, self.before, self.after = load(), before, after

    def forward(self, x: Tensor):
        answer = self.net(self.before(x) if self.before else x)
        return self.after(answer) if self.after else answer


def load() -> Net:
    net = Net()
    net.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return net


def quantised():
    return Around(before=lambda x: (x > 0.5).float())


def scaled():
    return Around(after=lambda z: 1e4 * z)


def probabilities():
    return Around(after=lambda z: z.softmax(1)).eval()


def in_a_tuple():
    return Around(after=lambda z: (z, None)).eval()


def noisy():
    return Around(before=lambda x: x + 0.1 * torch.randn_like(x)).eval()


def twice():
    return Around(before=lambda x: (x - MEAN) / STD).eval()


def nowhere():
    return Around(before=lambda x: (x - 20) / 5).eval()


def wide():
    return Around(after=lambda z: z[:, :4]).eval()


def broken():
    return Around(after=lambda z: z / 0).eval()


def raises():
    raise KeyError("no such checkpoint")


def nothing():
    return None


def of_color():
    return nn.Conv2d(3, 10, 8).eval()
