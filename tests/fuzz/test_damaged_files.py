"""Damaged model cards, weights and checkpoints."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from bounds import SIZE, SPACE, reads
from damage import damaged_bytes, damaged_text, damaged_value

from optuna_nas.final import read_card, retrain, trained_network
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.stores import sealed, unsealed
from optuna_nas.training import fit, load_weights
from optuna_nas.training.loop import load_checkpoint

pytestmark = pytest.mark.slow


def test_model_cards_and_weights(data: Any, tmp_path: Path) -> None:
    rng = random.Random(4)
    study = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
    objective = TrainingObjective(SPACE, data, epochs=1, build=SIZE, device="cpu")
    study.optimize(objective, n_trials=1)
    retrain(
        study,
        objective,
        folder=tmp_path,
        epochs=1,
        top=1,
        seeds=1,
        build=SIZE,
        random_study=False,
        baselines=[],
        device="cpu",
    )
    folder = tmp_path / "trial-0"
    card, weights = folder / "card.json", folder / "seed-0.pt"
    sound, state = card.read_text(), weights.read_bytes()
    trained_network(folder)
    for _ in range(1_000):
        card.write_bytes(damaged_text(sound, rng).encode(errors="surrogatepass"))
        reads(read_card, folder, what=card.read_bytes()[:500])
        reads(trained_network, folder, what=card.read_bytes()[:500])
    card.write_text(sound)
    for _ in range(1_000):
        content = damaged_bytes(state, rng)
        weights.write_bytes(content)
        reads(load_weights, weights)
        weights.write_bytes(sealed(damaged_bytes(unsealed(state, "it"), rng)))
        reads(trained_network, folder, what="weights under a valid seal")


def test_checkpoints(data: Any, tmp_path: Path) -> None:
    rng = random.Random(5)
    path = tmp_path / "state"

    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    def train() -> None:
        fit(network(), data, epochs=1, device="cpu", checkpoint=path)

    train()
    sound = unsealed(path.read_bytes(), "it")
    state = torch.load(path, weights_only=True)
    for _ in range(700):
        path.write_bytes(sealed(damaged_bytes(sound, rng)))
        reads(load_checkpoint, network(), path)
        reads(train, what="a training that goes on")
    for _ in range(300):
        torch.save(damaged_value(state, rng), path)
        path.write_bytes(sealed(path.read_bytes()))
        reads(load_checkpoint, network(), path, what="a checkpoint of other content")
        reads(train, what="a training that goes on from other content")
