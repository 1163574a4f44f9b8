"""Networks of other inputs than one image: series, characters, an image beside a table."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Characters", "Forecaster", "ImageAndTable", "Pair"]


class Forecaster(nn.Module):
    """The next value of a series (B, 24, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 8, batch_first=True)
        self.head = nn.Linear(8, 1)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        out, _ = self.lstm(series)
        return self.head(out[:, -1])


class Characters(nn.Module):
    """The next of 20 characters at each of at most 32 places; takes integers (B, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(20, 8)
        self.place = nn.Embedding(32, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 20)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.head(self.layer(self.token(ids) + self.place(places)))


class ImageAndTable(nn.Module):
    """Two classes from an image (B, 1, H, W) and a table's row (B, 5); its head is lazy."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.row = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
        self.head = nn.LazyLinear(2)

    def forward(self, image: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        seen = self.stem(image).mean((2, 3))
        return self.head(torch.cat([seen, self.row(table)], 1))


class Pair(nn.Module):
    """A score of a user, by number, and features of an item."""

    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Embedding(7, 4)
        self.item = nn.Linear(3, 4)

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return (self.users(user) * self.item(item)).sum(-1, keepdim=True)
