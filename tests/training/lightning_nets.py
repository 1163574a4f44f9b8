"""A tiny module of Lightning, and its trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

INPUTS = torch.linspace(-1, 1, 16).reshape(16, 1)


class Line(LightningModule):
    """Learns a line, and logs losses that a test gives."""

    def __init__(self, logged: list[float], name: str = "val_loss") -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.logged = iter(logged)
        self.name = name

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return (self.line(batch[0]) - batch[0]).square().mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.log(self.name, next(self.logged))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def run(module: Line, folder: Path, *, epochs: int, callbacks: list[Any], **options: Any) -> None:
    loader = DataLoader(TensorDataset(INPUTS), batch_size=8)
    validation = DataLoader(TensorDataset(INPUTS), batch_size=16)
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=callbacks,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )
    trainer.fit(module, loader, validation)
