"""Start-up checkpoints: a shortcut that is exact, and that nothing depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore

from optuna_nas.samplers import ControllerNetwork, Imitation, PPOSampler, ReinforceSampler
from optuna_nas.samplers.base import History
from optuna_nas.samplers.policy._checkpoints import CHECKPOINT_EVERY, settings_text
from optuna_nas.samplers.policy._learned import LearnedSampler
from optuna_nas.samplers.policy._policy import Policy

Store = FileSystemArtifactStore


def _objective(trial: optuna.Trial) -> float:
    ops = [trial.suggest_categorical(f"op_{i}", ["a", "b", "c", "d"]) for i in range(8)]
    return ops.count("a") + 0.5 * ops.count("b")


def _sampler(
    folder: Path | None = None, seed: int = 0, *, artifact_store: Store | None = None
) -> ReinforceSampler:
    store = artifact_store if folder is None else FileSystemArtifactStore(folder)
    return ReinforceSampler(
        controller=ControllerNetwork(hidden_size=4, num_layers=1),
        batch_size=2,
        imitation=Imitation(size=2),
        seed=seed,
        artifact_store=store,
    )


def _policy(sampler: LearnedSampler, study: optuna.Study) -> Policy:
    replay = sampler._state_of(study).replay
    replay.refresh(study)
    return sampler._policy(History(replay))


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(_objective, n_trials=3 * CHECKPOINT_EVERY + 7)
    return study


@pytest.fixture
def folder(tmp_path: Path, study: optuna.Study) -> Path:
    _policy(_sampler(tmp_path), study)
    return tmp_path


def _loaded(folder: Path, study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """How many trials a new worker does not replay."""
    restored = []
    restore = Policy.restore
    monkeypatch.setattr(
        Policy,
        "restore",
        lambda self, snapshot, members: (
            restored.append(snapshot.count),
            restore(self, snapshot, members),
        ),
    )
    worker, replayed = _policy(_sampler(folder), study), _policy(_sampler(None), study)
    pairs = zip(worker.controller.parameters(), replayed.controller.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert worker.count == replayed.count == 3 * CHECKPOINT_EVERY + 7
    return tuple(restored)


def test_a_new_worker_starts_from_the_latest(
    folder: Path, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(folder.iterdir())) == 2
    assert _loaded(folder, study, monkeypatch) == (3 * CHECKPOINT_EVERY,)


def test_a_damaged_one_is_passed_over(
    folder: Path, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged .* and is passed over"):
        assert _loaded(folder, study, monkeypatch) == ()


def test_a_truncated_or_foreign_file_is_passed_over(
    folder: Path, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted(folder.iterdir())
    first.write_bytes(b"")
    torch.save({"count": 3}, second)
    with pytest.warns(UserWarning, match="is damaged"):
        assert _loaded(folder, study, monkeypatch) == ()


def test_one_of_another_seed_or_other_trials_is_not_taken(
    folder: Path, study: optuna.Study
) -> None:
    _policy(_sampler(folder, seed=1), study)
    assert len(list(folder.iterdir())) == 4  # two of each seed
    other = optuna.create_study(direction="maximize")
    other.add_trials(study.trials[1:])
    _policy(_sampler(folder), other)
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_sampler, "44cb849385fdd3e33101fd8ea0e09360"),
        (ReinforceSampler.enas_macro, "4a5349ab613de03d404be0dcbebedc4c"),
        (PPOSampler.nasnet, "8962d291188f71213961bcb50d5dcad1"),
    ],
)
def test_names_are_pinned(make: Callable[..., LearnedSampler], name: str, tmp_path: Path) -> None:
    """As written by the versions whose settings were flat; otherwise they would not be found."""
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(_objective, n_trials=CHECKPOINT_EVERY)
    seed = {"44": 0, "4a": 1, "89": 2}[name[:2]]
    policy = _policy(make(artifact_store=FileSystemArtifactStore(tmp_path), seed=seed), study)
    assert [file.name for file in tmp_path.iterdir()] == [f"optuna-nas-policy-{name}"]
    assert policy.count == CHECKPOINT_EVERY


def test_a_function_as_reward_is_kept_by_its_name() -> None:
    sampler = ReinforceSampler.nas_rl(seed=3)
    policy = Policy(
        sampler._network, sampler._settings, seed=3, maximize=True, roles=sampler._roles
    )
    assert "reward='optuna_nas.samplers.policy._reinforce.cubed'" in settings_text(policy)
