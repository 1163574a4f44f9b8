"""DARTS as its paper describes it, edge by edge: the measure of ``supernet.py``.

Every edge of every cell is a module of eight operations, whose results are multiplied by their
weights and added. Gradients are taken of everything; the second order builds a second network.
Written from arXiv:1806.09055 and the description of its release; nothing is slower than there.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

NODES = 4
EDGES = sum(2 + i for i in range(NODES))


class Zero(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class Halve(nn.Module):
    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c // 2, 1, stride=2, bias=False)
        self.conv2 = nn.Conv2d(c_in, c // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(c, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.relu()
        return self.bn(torch.cat([self.conv1(x), self.conv2(x[:, :, 1:, 1:])], dim=1))


def separable(c: int, k: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (k // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(c, c, k, stride, padding, dilation, groups=c, bias=False),
        nn.Conv2d(c, c, 1, bias=False),
        nn.BatchNorm2d(c, affine=False),
    ]


def project(c_in: int, c: int) -> nn.Module:
    conv = nn.Conv2d(c_in, c, 1, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(c, affine=False))


def operations(c: int, stride: int) -> list[nn.Module]:
    """All eight, in the paper's order."""
    max_pool = nn.MaxPool2d(3, stride, 1)
    avg_pool = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return [
        Zero(stride),
        nn.Sequential(max_pool, nn.BatchNorm2d(c, affine=False)),
        nn.Sequential(avg_pool, nn.BatchNorm2d(c, affine=False)),
        nn.Identity() if stride == 1 else Halve(c, c),
        nn.Sequential(*separable(c, 3, stride), *separable(c, 3, 1)),
        nn.Sequential(*separable(c, 5, stride), *separable(c, 5, 1)),
        nn.Sequential(*separable(c, 3, stride, 2)),
        nn.Sequential(*separable(c, 5, stride, 2)),
    ]


class MixedEdge(nn.Module):
    def __init__(self, c: int, stride: int) -> None:
        super().__init__()
        self.ops = nn.ModuleList(operations(c, stride))

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return sum(w * op(x) for w, op in zip(weights, self.ops, strict=True))


class Cell(nn.Module):
    def __init__(self, older: int, previous: int, c: int, *, reduces: bool, halve: bool) -> None:
        super().__init__()
        self.reduces = reduces
        self.project0 = Halve(older, c) if halve else project(older, c)
        self.project1 = project(previous, c)
        self.edges = nn.ModuleList(
            MixedEdge(c, 2 if reduces and j < 2 else 1)
            for node in range(NODES)
            for j in range(2 + node)
        )

    def forward(
        self, older: torch.Tensor, previous: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        states = [self.project0(older), self.project1(previous)]
        edge = 0
        for _ in range(NODES):
            total = sum(
                self.edges[edge + j](state, weights[edge + j]) for j, state in enumerate(states)
            )
            edge += len(states)
            states.append(total)
        return torch.cat(states[2:], dim=1)


class TextbookDARTS(nn.Module):
    """The supernet: ``(B, 3, H, W) -> (B, classes)``."""

    def __init__(self, channels: int, cells: int, classes: int = 10) -> None:
        super().__init__()
        width = 3 * channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        older, previous, c, halve = width, width, channels, False
        self.cells = nn.ModuleList()
        for number in range(cells):
            reduces = number in (cells // 3, 2 * cells // 3)
            c = 2 * c if reduces else c
            self.cells.append(Cell(older, previous, c, reduces=reduces, halve=halve))
            older, previous, halve = previous, NODES * c, reduces
        self.classifier = nn.Linear(previous, classes)
        self.alphas = nn.ParameterList(
            nn.Parameter(1e-3 * torch.randn(EDGES, 8)) for _ in ("normal", "reduce")
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        older = previous = self.stem(x)
        for cell in self.cells:
            weights = self.alphas[int(cell.reduces)].softmax(-1)
            older, previous = previous, cell(older, previous, weights)
        return self.classifier(previous.mean((2, 3)))

    def weights(self) -> list[nn.Parameter]:
        return [p for name, p in self.named_parameters() if not name.startswith("alphas")]


Batch = tuple[torch.Tensor, torch.Tensor]


class TextbookSearch:
    """The steps of the search."""

    def __init__(self, model: TextbookDARTS, order: int) -> None:
        self.model = model
        self.order = order
        self.momentum, self.decay = 0.9, 3e-4
        self.optimizer = torch.optim.SGD(
            model.weights(), lr=0.025, momentum=self.momentum, weight_decay=self.decay
        )
        self.alpha_optimizer = torch.optim.Adam(
            model.alphas.parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3
        )

    def step(self, train: Batch, val: Batch, lr: float) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.alpha_optimizer.zero_grad()
        if self.order == 1:
            self.loss(self.model, val).backward()
        else:
            self.unrolled(train, val, lr)
        self.alpha_optimizer.step()
        self.optimizer.zero_grad()
        loss = self.loss(self.model, train)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.weights(), 5.0)
        self.optimizer.step()
        return loss.detach()

    @staticmethod
    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        images, labels = batch
        return functional.cross_entropy(model(images), labels)

    def unrolled(self, train: Batch, val: Batch, lr: float) -> None:
        weights = self.model.weights()
        gradients = torch.autograd.grad(self.loss(self.model, train), weights)
        ahead = copy.deepcopy(self.model)
        with torch.no_grad():
            for moved, weight, gradient in zip(ahead.weights(), weights, gradients, strict=True):
                state = self.optimizer.state.get(weight, {})
                buffer = state.get("momentum_buffer", torch.zeros_like(weight))
                moved -= lr * (self.momentum * buffer + gradient + self.decay * weight)
        self.loss(ahead, val).backward()
        vector = [weight.grad for weight in ahead.weights()]
        implicit = self.product(train, vector)
        for alpha, moved, product in zip(self.model.alphas, ahead.alphas, implicit, strict=True):
            alpha.grad = moved.grad - lr * product

    def product(self, train: Batch, vector: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        weights, alphas = self.model.weights(), list(self.model.alphas)
        eps = 0.01 / torch.cat([v.flatten() for v in vector]).norm()

        def move(by: torch.Tensor) -> None:
            with torch.no_grad():
                for weight, v in zip(weights, vector, strict=True):
                    weight += by * v

        gradient: Callable[[], Sequence[torch.Tensor]] = lambda: torch.autograd.grad(  # noqa: E731
            self.loss(self.model, train), alphas
        )
        move(eps)
        plus = gradient()
        move(-2 * eps)
        minus = gradient()
        move(eps)
        return [(p - m) / (2 * eps) for p, m in zip(plus, minus, strict=True)]
