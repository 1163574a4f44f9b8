"""Twenty thousand pieces of damage: every error is one of ours, in bounded time and memory.

Nothing here asks for a result. Valid attributes, texts, files and commands are damaged by a seeded
generator and read as a user's program reads them.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import shlex
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click
import optuna
import psutil
import pytest
import torch
from click.testing import CliRunner
from damage import damaged_bytes, damaged_text, damaged_value
from optuna.trial import FrozenTrial, TrialState

import optuna_nas
from optuna_nas.cli import main
from optuna_nas.cli.commands._best import describe, summary
from optuna_nas.final import read_card, retrain, trained_network
from optuna_nas.keys import STUDY_KEY
from optuna_nas.objectives import (
    DARTSObjective,
    DARTSVariant,
    MacsReward,
    TrainingObjective,
    best_trials,
    derived_metrics,
    fail_dead_trials,
    read_alphas,
    read_identity,
    recipe_of,
    sampled_hyperparameters,
)
from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints
from optuna_nas.pruners import CollapsePruner
from optuna_nas.samplers import (
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
    best_architecture,
    parents_of,
)
from optuna_nas.spaces import (
    SPACES,
    Architecture,
    NASBench201Space,
    sample_architectures,
    space_from_settings,
)
from optuna_nas.stores import open_storage, sealed, unsealed
from optuna_nas.training import Recipe, load_data, load_weights
from optuna_nas.training.loop import load_checkpoint

pytestmark = pytest.mark.slow

PACKAGE = str(Path(optuna_nas.__file__).parent)
SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
SECONDS, BYTES = 5, 500 * 2**20
SAMPLERS: tuple[Callable[..., optuna.samplers.BaseSampler], ...] = (
    RandomSearchSampler,
    lambda **options: RegularizedEvolutionSampler(population_size=5, tournament_size=3, **options),
    LocalSearchSampler,
    PredictorSampler,
    lambda **options: ReinforceSampler(batch_size=5, **options),
    lambda **options: PPOSampler(batch_size=5, **options),
)


@contextlib.contextmanager
def bounded(what: object) -> Iterator[None]:
    """Fail where a block takes more than 5 s or 500 MB."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"more than {SECONDS} s for {str(what)[:300]!r}")

    before = signal.signal(signal.SIGALRM, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = psutil.Process().memory_info().vms
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, hard))
    try:
        yield
    except MemoryError as e:
        raise AssertionError(f"more than {BYTES:,} bytes for {str(what)[:300]!r}") from e
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_ours(error: BaseException) -> bool:
    """Whether a file of the package raised the error, as one for users."""
    frames = traceback.extract_tb(error.__traceback__)
    allowed = isinstance(error, ValueError | TypeError | OSError)
    return allowed and frames[-1].filename.startswith(PACKAGE)


def reads(read: Callable[..., object], *arguments: Any, what: object = None) -> None:
    """Call a reader, which may refuse in our own words."""
    what = arguments if what is None else what
    with bounded(what), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(*arguments)
        except Exception as e:
            if not is_ours(e):
                raise AssertionError(f"{e!r} for {str(what)[:1000]!r}") from e


@pytest.fixture(scope="module", autouse=True)
def _quiet(one_thread: None) -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(level)


@pytest.fixture(scope="module")
def data() -> Any:
    return load_data("digits", train_size=64, val_size=40)


@pytest.fixture(scope="module")
def trials(data: Any, tmp_path_factory: pytest.TempPathFactory) -> list[FrozenTrial]:
    """Trials with every attribute that our objectives and samplers write."""
    folder = tmp_path_factory.mktemp("checkpoints")
    found: list[FrozenTrial] = []
    plain, rewarded = (
        TrainingObjective(
            SPACE,
            data,
            epochs=2,
            value=value,
            build=SIZE,
            device="cpu",
            checkpoints=folder,
            keep_checkpoints=1,
            latency=lambda model, size: 1.5,
            max_latency_ms=100.0,
            hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 0.01, 0.1)},
        )
        for value in ("metric", MacsReward(target_macs=1e5))
    )
    darts = DARTSObjective(
        SPACE,
        data,
        epochs=2,
        eval_epochs=1,
        supernet=SIZE,
        build=SIZE,
        recipe=Recipe(batch_size=16, nesterov=False),
        variant=DARTSVariant(watch_eigenvalue=True),
        device="cpu",
    )
    runs = (
        (rewarded, SAMPLERS[5], 3),
        (plain, SAMPLERS[1], 8),
        (darts, RandomSearchSampler, 1),
    )
    for objective, make, count in runs:
        study = optuna.create_study(direction="maximize", sampler=make(seed=0))
        study.optimize(objective, n_trials=count)
        found += study.trials
    return found


def damaged_trial(trial: FrozenTrial, rng: random.Random) -> tuple[FrozenTrial, int]:
    """A trial with some of its attributes damaged, and how many."""
    attributes = {"user_attrs": dict(trial.user_attrs), "system_attrs": dict(trial.system_attrs)}
    places = [(kind, key) for kind, of in attributes.items() for key in of]
    chosen = rng.sample(places, k=min(len(places), rng.choice((1, 2, 5, len(places)))))
    for kind, key in chosen:
        attributes[kind][key] = damaged_value(attributes[kind][key], rng)
    state = rng.choice((TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED))
    reports = {epoch: rng.choice((0.5, 99.0, float("nan"))) for epoch in range(rng.randrange(4))}
    made = optuna.create_trial(
        state=state,
        values=trial.values if state == TrialState.COMPLETE else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=reports if rng.random() < 0.5 else trial.intermediate_values,
        **attributes,
    )
    return made, len(chosen)


def test_attributes(trials: list[FrozenTrial], data: Any, tmp_path: Path) -> None:
    rng, damaged = random.Random(0), 0
    while damaged < 9_000:
        study = optuna.create_study(direction="maximize")
        for _ in range(60):
            trial, count = damaged_trial(rng.choice(trials), rng)
            study.add_trial(trial)
            damaged += count
        read_all(study, rng, tmp_path)


def read_all(study: optuna.Study, rng: random.Random, folder: Path) -> None:
    """Read a study as samplers, objectives, figures and commands do."""
    study.sampler = rng.choice(SAMPLERS)(seed=1, space=rng.choice((SPACE, None)))
    checkpoints = TrialCheckpoints.at(folder, 1)
    assert checkpoints is not None
    reads(_search, study)
    for of_study in (
        best_architecture,
        fail_dead_trials,
        sampled_hyperparameters,
        derived_metrics,
        summary,
    ):
        reads(of_study, study)
    reads(best_trials, study, 3)
    reads(checkpoints.prune, study)
    for trial in study.trials[:60]:
        for of_trial in (SPACE.architecture, read_alphas, parents_of):
            reads(of_trial, trial)
        reads(recipe_of, trial, Recipe())
        reads(describe, study, SPACE, trial)
        reads(CollapsePruner().prune, study, trial)


def _search(study: optuna.Study) -> None:
    for _ in range(2):
        trial = study.ask()
        SPACE.suggest(trial)
        study.tell(trial, 0.5)


def _look(architecture: Architecture) -> None:
    architecture.digest  # noqa: B018
    architecture.graph()
    str(architecture)


def test_settings_of_studies(data: Any) -> None:
    rng = random.Random(1)
    objective = TrainingObjective(SPACE, data, epochs=1, build=SIZE, device="cpu")
    key, sound = STUDY_KEY, json.loads(json.dumps(objective.identity.to_json()))
    for _ in range(500):
        other = optuna.create_study(direction="maximize")
        value = damaged_value(sound, rng)
        with contextlib.suppress(ValueError, TypeError):  # of Optuna, that JSON has no such value
            other.set_user_attr(key, value)
        reads(read_identity, other, what=value)
        reads(objective.prepare, other, what=value)


def test_texts() -> None:
    rng = random.Random(2)
    spaces = [cls() for cls in SPACES.values()]
    sound = [a for space in spaces for a in sample_architectures(space, 5, seed=0)]
    for _ in range(5_000):
        architecture = rng.choice(sound)
        text = damaged_text(architecture.to_json(), rng)
        reads(Architecture.from_json, text)
        notation = damaged_text(str(architecture), rng)
        reads(architecture.space.parse, notation)
        settings = damaged_value(dict(architecture.space.identity), rng)
        reads(space_from_settings, settings)


def test_architectures_that_are_read_can_be_counted_and_drawn() -> None:
    """Settings within the limits stay within time and memory, whatever they make."""
    rng = random.Random(3)
    sound = [a for cls in SPACES.values() for a in sample_architectures(cls(), 2, seed=0)]
    for _ in range(1_500):
        text = damaged_text(rng.choice(sound).to_json(), rng)
        try:
            architecture = Architecture.from_json(text)
        except ValueError:
            continue
        reads(_look, architecture)


def test_model_cards_and_weights(trials: list[FrozenTrial], data: Any, tmp_path: Path) -> None:
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
    from optuna_nas.training import fit

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


COMMANDS = (
    "draw --published nasbench201-resnet -o cell.svg",
    "draw --storage sqlite:///nas.db --study-name nas --trial best -o cell.png",
    "profile --published nasbench201-resnet --build cells=1 --input-size 3x8x8 --no-latency",
    "best --storage sqlite:///nas.db --study-name nas --top 2 --json",
    "best --storage sqlite:///nas.db --study-name nas --space nasbench201",
    "spaces",
    "train --storage sqlite:///nas.db --study-name other --epochs 1 --top 1 --output out",
    "export out/trial-0",
    "scale --network mobilenet --setting width=1.0 --phi 0,1",
    "search --space nasbench201 --data digits --storage sqlite:///no/x.db --recipe lr=1",
    "darts --space darts --data digits --storage journal:no/x.log --epochs 1",
    "transfer --storage sqlite:///nas.db --study-name nas --size 1@8 --data none",
)


def test_command_lines(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command here trains: where one would, its storage or its data are not there."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(6)
    study = optuna.create_study(
        storage=open_storage("sqlite:///nas.db"), study_name="nas", direction="maximize"
    )
    study.optimize(TrainingObjective(SPACE, data, epochs=1, build=SIZE, device="cpu"), n_trials=2)
    for _ in range(2_000):
        words = shlex.split(rng.choice(COMMANDS))
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(words))
            name, equals, value = words[place].rpartition("=")  # half of the time NAME stays
            if rng.random() < 0.5:
                name, equals, value = "", "", words[place]
            damaged = damaged_text(value, rng)[:50_000].replace("\0", "")
            words[place] = f"{name}{equals}{damaged}"
        runs(words)


def runs(words: list[str]) -> None:
    """Run a command line, which may refuse in our own words or in those of click."""
    with bounded(words), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = CliRunner().invoke(main, words, standalone_mode=False).exception
    if error is None or isinstance(error, SystemExit | click.exceptions.Abort):
        return
    told = f"{error!r} of {error.__cause__!r} for {json.dumps(words)[:1000]}"
    assert isinstance(error, click.ClickException), told
    if error.__cause__ is not None and not isinstance(error, click.UsageError):
        assert is_ours(error.__cause__), told
