"""From a study to a table: what is trained, and what random search may spend."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial
from torch import nn

from optuna_nas.final import (
    Candidate,
    found,
    random_search,
    read_card,
    retrain,
    trained_network,
)
from optuna_nas.final._random import epochs_spent, random_search_pick
from optuna_nas.keys import COPY_KEY, DIGEST_KEY
from optuna_nas.objectives import TrainingObjective, best_trials
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, evaluate, fit, load_data, seeded

TINY = {"cells": 1, "channels": 2}
SPACE = NASBench201Space()
CELLS = [
    {f"op_{i}_from_{j}": op for i in (1, 2, 3) for j in range(i)}
    for op in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
]


@pytest.fixture(scope="module")
def objective() -> TrainingObjective:
    torch.set_num_threads(1)
    data = load_data("digits", train_size=200, val_size=100, test_size=100)
    return TrainingObjective(
        SPACE, data, epochs=2, build=TINY, recipe=Recipe(batch_size=50), device="cpu"
    )


def _study(objective: TrainingObjective, trials: int = 4) -> optuna.Study:
    study = optuna.create_study(
        study_name="search",
        direction="maximize",
        sampler=RandomSearchSampler(seed=0, space=SPACE),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective, n_trials=trials)
    return study


def _told(values: list[tuple[dict, list[float]]], **attributes: object) -> optuna.Study:
    """A study as it would be after such trials."""
    study = optuna.create_study(study_name="told", direction="maximize")
    for number, (params, reports) in enumerate(values):
        architecture = SPACE.architecture(params)
        study.add_trial(
            create_trial(
                value=reports[-1],
                params=params,
                distributions=SPACE.distributions(),
                intermediate_values=dict(enumerate(reports, start=1)),
                user_attrs={DIGEST_KEY: architecture.digest, **attributes.get(str(number), {})},
            )
        )
    return study


def test_the_whole_way(tmp_path: Path, objective: TrainingObjective) -> None:
    study = _study(objective)
    compared = retrain(
        study, objective, folder=tmp_path, epochs=1, top=2, seeds=2, build=TINY, device="cpu"
    )
    assert [f.role for f in compared.finalists] == ["found", "found", "random search", "baseline"]
    best = best_trials(study, 2)
    assert [f.origin["trial"] for f in compared.finalists[:2]] == [t.number for t in best]
    assert compared.finalists[2].origin["study"] == "search-random"
    assert compared.finalists[2].origin["search_epochs"] == epochs_spent(study) == 8
    assert compared.finalists[3].origin["network"] == "ResNet-20"
    assert compared.seeds == 2
    assert (tmp_path / "README.md").read_text() == f"```\n{compared}\n```\n"
    names = optuna.get_all_study_names(study._storage)
    assert sorted(names) == ["search", "search-random"]


def test_a_random_search_and_baselines_of_ones_own(
    tmp_path: Path, objective: TrainingObjective
) -> None:
    study = _study(objective, trials=2)
    random_study = _told([(CELLS[0], [0.1, 0.3]), (CELLS[1], [0.1, 0.2]), (CELLS[2], [0.1, 0.9])])
    linear = Candidate(
        name="linear", make=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), origin={}
    )
    compared = retrain(
        study,
        objective,
        folder=tmp_path,
        epochs=1,
        top=1,
        seeds=1,
        build=TINY,
        random_study=random_study,
        baselines=[linear],
        device="cpu",
    )
    names = [finalist.name for finalist in compared.finalists]
    assert names[1:] == ["random-0", "linear"]  # the third trial is beyond the budget
    alone = retrain(
        study,
        objective,
        folder=tmp_path,
        epochs=1,
        top=1,
        seeds=1,
        build=TINY,
        random_study=False,
        baselines=[],
        device="cpu",
    )
    assert [finalist.name for finalist in alone.finalists] == names[:1]


def _drawing(objective: TrainingObjective) -> TrainingObjective:
    """The same, with a learning rate and a smoothing that each trial draws for itself."""

    def drawn(trial: optuna.Trial) -> dict[str, float]:
        return {
            "lr": trial.suggest_float("rate", 1e-3, 1.0, log=True),
            "label_smoothing": trial.suggest_float("smoothing", 0.0, 0.2),
        }

    recipe = Recipe(batch_size=50, lr=0.5)
    return TrainingObjective(
        SPACE,
        objective.data,
        epochs=1,
        build=TINY,
        recipe=recipe,
        hyperparameters=drawn,
        device="cpu",
    )


def test_networks_are_trained_with_what_their_trials_sampled(
    tmp_path: Path, objective: TrainingObjective
) -> None:
    drawing = _drawing(objective)
    study = _study(drawing, trials=3)
    settings = {"epochs": 1, "top": 2, "seeds": 1, "build": TINY, "device": "cpu"}
    compared = retrain(study, drawing, folder=tmp_path / "own", **settings)
    random_study = optuna.load_study(study_name="search-random", storage=study._storage)
    assert compared.finalists[2].role == "random search"
    for finalist in compared.finalists[:3]:
        origin = (random_study if finalist.role == "random search" else study).trials
        params = origin[finalist.origin["trial"]].params
        drew = {"lr": params["rate"], "label_smoothing": params["smoothing"]}
        card = read_card(finalist.folder)
        assert card["recipe"] == Recipe(batch_size=50, **drew).to_dict()
        assert card["origin"]["hyperparameters"] == drew
        told = f"lr={drew['lr']!r}, label_smoothing={drew['label_smoothing']!r}"
        assert told in (finalist.folder / "README.md").read_text()
        assert f"{finalist.name}: trained with {told}, as its trial was" in repr(compared)
    best, second, picked, resnet = (read_card(f.folder)["recipe"] for f in compared.finalists)
    assert resnet == best  # else it would be trained with what no trial has tried
    assert len({best["lr"], second["lr"], picked["lr"]}) == 3

    found_one = compared.finalists[0]
    with seeded(0):
        model = SPACE.architecture(best_trials(study, 1)[0]).build(
            **TINY, num_classes=10, in_channels=1
        )
    history = fit(model, drawing.data, epochs=1, recipe=Recipe(**best), seed=0, device="cpu")
    assert found_one.runs[0].val_metric == history.last.val_metric


def test_a_recipe_that_is_named_goes_before(tmp_path: Path, objective: TrainingObjective) -> None:
    drawing = _drawing(objective)
    study = _study(drawing, trials=1)
    settings = {
        "epochs": 1,
        "top": 1,
        "seeds": 1,
        "build": TINY,
        "random_study": False,
        "baselines": [],
    }
    named = Recipe(batch_size=50, lr=0.25)
    (finalist,) = retrain(
        study, drawing, folder=tmp_path / "named", recipe=named, device="cpu", **settings
    ).finalists
    assert read_card(finalist.folder)["recipe"] == named.to_dict()
    assert "hyperparameters" not in finalist.origin
    (finalist,) = retrain(
        study, drawing, folder=tmp_path / "some", recipe={"lr": 0.25}, device="cpu", **settings
    ).finalists
    smoothing = study.trials[0].params["smoothing"]
    changed = Recipe(batch_size=50, lr=0.25, label_smoothing=smoothing)
    assert read_card(finalist.folder)["recipe"] == changed.to_dict()
    assert finalist.origin["hyperparameters"] == {"label_smoothing": smoothing}
    with pytest.raises(TypeError, match="learning_rate"):
        retrain(study, drawing, folder=tmp_path, recipe={"learning_rate": 0.25}, **settings)


def test_random_search_spends_what_the_search_spent(objective: TrainingObjective) -> None:
    study = _study(objective, trials=3)
    random_study = random_search(study, objective, SPACE)
    assert epochs_spent(random_study) == epochs_spent(study) == 6
    trials = len(random_study.trials)
    assert len(random_search(study, objective, SPACE).trials) == trials  # it is over
    study.optimize(objective, n_trials=2)
    assert epochs_spent(random_search(study, objective, SPACE)) == 10  # and goes on
    first = [trial.params for trial in study.trials[:3]]
    assert [
        trial.params for trial in random_study.trials[:3]
    ] != first  # it is no copy of the search


def test_random_search_may_be_capped(objective: TrainingObjective) -> None:
    study = _study(objective, trials=3)
    assert len(random_search(study, objective, SPACE, max_trials=1).trials) == 1


def test_copied_results_cost_no_epochs() -> None:
    study = _told([(CELLS[0], [0.1, 0.3]), (CELLS[0], [0.1, 0.3])], **{"1": {COPY_KEY: 0}})
    assert epochs_spent(study) == 2


def test_the_pick_is_the_best_within_the_budget(objective: TrainingObjective) -> None:
    random_study = _told(
        [(CELLS[0], [0.2]), (CELLS[1], [0.4, 0.5]), (CELLS[2], [0.3]), (CELLS[3], [0.9])]
    )
    pick = random_search_pick(random_study, SPACE, objective.data, epochs=4, build=TINY)
    assert pick.origin["trial"] == 1
    assert pick.origin["search_trials"] == 3
    pick = random_search_pick(random_study, SPACE, objective.data, epochs=5, build=TINY)
    assert pick.origin["trial"] == 3
    random_study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="must have a complete trial within 4 epochs"):
        random_search_pick(random_study, SPACE, objective.data, epochs=4)


def test_a_search_without_reports_has_no_budget(objective: TrainingObjective) -> None:
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="must have reported epochs"):
        random_search(study, objective, SPACE)


def test_found_are_the_best_different_networks(objective: TrainingObjective) -> None:
    study = _told([(CELLS[0], [0.2]), (CELLS[1], [0.5]), (CELLS[1], [0.6]), (CELLS[2], [0.4])])
    study.add_trial(create_trial(state=TrialState.PRUNED))
    candidates = found(study, SPACE, objective.data, top=3, build=TINY)
    assert [candidate.name for candidate in candidates] == ["trial-2", "trial-3", "trial-0"]
    assert candidates[0].origin["values"] == [0.6]
    with pytest.raises(ValueError, match="`top` must be at least 1"):
        found(study, SPACE, objective.data, top=0)
    empty = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="must have a complete trial"):
        found(empty, SPACE, objective.data)
    many = optuna.create_study(directions=["maximize", "minimize"])
    with pytest.raises(ValueError, match="single objective, but has 2"):
        found(many, SPACE, objective.data)


def test_final_training_on_all_images(tmp_path: Path, objective: TrainingObjective) -> None:
    settings = {"epochs": 1, "top": 1, "seeds": 1, "build": TINY, "device": "cpu"}
    study = _study(objective, trials=2)
    compared = retrain(
        study,
        objective,
        folder=tmp_path,
        random_study=False,
        baselines=[],
        validate=False,
        **settings,
    )
    (finalist,) = compared.finalists
    assert read_card(finalist.folder)["data"]["train_size"] == 300
    tested = evaluate(
        trained_network(finalist.folder), objective.data.test, objective.data.merged()
    )
    assert tested.metric == finalist.runs[0].test_metric
    assert compared.chosen is finalist
    assert objective.data.val.labels.numel() == 100  # the search's own data stay as they were


def test_a_random_search_samples_what_the_search_sampled(
    tmp_path: Path, objective: TrainingObjective
) -> None:
    study = _study(_drawing(objective), trials=1)
    settings = {"epochs": 1, "top": 1, "seeds": 1, "build": TINY, "baselines": []}
    with pytest.raises(ValueError, match="'search' sampled label_smoothing, lr: give it the same"):
        retrain(study, objective, folder=tmp_path, device="cpu", **settings)
    assert optuna.get_all_study_names(study._storage) == ["search"]  # nothing was begun
    assert _drawing(objective).samples_hyperparameters
    assert not objective.samples_hyperparameters
    (finalist,) = retrain(
        study, objective, folder=tmp_path, random_study=False, device="cpu", **settings
    ).finalists
    assert set(finalist.origin["hyperparameters"]) == {"label_smoothing", "lr"}
