"""What must hold for every space: derive from :class:`SpaceTestCase` and give ``space``."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FixedTrial

from optuna_nas.drawing import Graph
from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.nn import ImageTooSmallError, OddSizeError
from optuna_nas.spaces import SPACES, Architecture, SearchSpace
from optuna_nas.spaces.base._sizes import size_of


def new_study(seed: int = 0, **options: Any) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed), **options)


def sample(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    study = new_study(seed)
    return [space.suggest(study.ask()) for _ in range(count)]


def finished(space: SearchSpace, architecture: Architecture) -> optuna.trial.FrozenTrial:
    """Have the architecture judged in a study, and return the trial."""
    study = new_study()
    architecture.enqueue(study)
    study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=1)
    return study.trials[0]


class SpaceTestCase:
    """Derived classes give the fixture ``space`` and may change the numbers."""

    num_samples = 20
    image_sizes = (8, 11)
    num_builds = 3
    small: dict[str, Any] = {}  # build arguments of a network that is quick to run

    @pytest.fixture
    def space(self) -> SearchSpace:
        raise NotImplementedError

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        return sample(space, self.num_samples)

    # Round trips

    def test_params_round_trip(self, space, architectures):
        for architecture in architectures:
            again = space.architecture(architecture.params)
            assert again == architecture
            assert hash(again) == hash(architecture)
            assert again.genotype == architecture.genotype

    def test_text_round_trip(self, space, architectures):
        for architecture in architectures:
            assert space.parse(str(architecture)) == architecture

    def test_json_round_trip(self, space, architectures):
        for architecture in architectures:
            text = architecture.to_json()
            assert Architecture.from_json(text, space) == architecture
            assert json.loads(text)["params"] == architecture.params

    def test_json_is_read_without_a_space_for_published_spaces_only(self, space, architectures):
        text = architectures[0].to_json()
        if space.name in SPACES:
            assert Architecture.from_json(text) == architectures[0]
        else:
            with pytest.raises(ValueError, match="Give the space itself"):
                Architecture.from_json(text)

    def test_fixed_trial_round_trip(self, space, architectures):
        for architecture in architectures:
            assert space.architecture(FixedTrial(architecture.params)) == architecture
            assert space.suggest(FixedTrial(architecture.params)) == architecture

    def test_frozen_trial_round_trip(self, space):
        study = new_study()
        seen = []
        study.optimize(lambda trial: seen.append(space.suggest(trial)) or 0.0, n_trials=5)
        assert [space.architecture(trial) for trial in study.trials] == seen
        assert [space.suggest(trial) for trial in study.trials] == seen

    def test_sqlite_round_trip(self, space, tmp_path: Path):
        storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/nas.db")
        study = new_study(storage=storage)
        wanted = sample(space, 2, seed=7)
        wanted[0].enqueue(study)
        study.enqueue_trial(wanted[1].params)
        study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=3)
        loaded = optuna.load_study(study_name=study.study_name, storage=storage)
        decoded = [space.architecture(trial) for trial in loaded.trials]
        assert decoded[:2] == wanted
        assert [len(str(a)) for a in decoded] == [t.value for t in loaded.trials]
        storage.engine.dispose()

    # Suggestions

    def test_only_discrete_suggestions_with_legal_names(self, space):
        trial = new_study().ask()
        space.suggest(trial)
        for name, distribution in trial.distributions.items():
            assert name.isidentifier()
            assert isinstance(distribution, CategoricalDistribution | IntDistribution)

    def test_suggesting_twice_decides_once(self, space):
        trial = new_study().ask()
        assert space.suggest(trial) == space.suggest(trial)

    def test_tpe(self, space):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=2, seed=0))
        study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=4)
        assert all(space.architecture(t).params == t.params for t in study.trials)

    def test_random_state_is_left_alone(self, space):
        before = torch.random.get_rng_state()
        sample(space, 2)
        assert torch.equal(before, torch.random.get_rng_state())

    def test_two_spaces_in_one_trial(self, space):
        first = dataclasses.replace(space, prefix="first_")
        second = dataclasses.replace(space, prefix="second_")
        study = new_study()
        study.optimize(
            lambda trial: len(str(first.suggest(trial)) + str(second.suggest(trial))), n_trials=3
        )
        for trial in study.trials:
            one, two = first.architecture(trial), second.architecture(trial)
            assert {**one.params, **two.params} == trial.params
            assert len(str(one) + str(two)) == trial.value

    def test_prefix_enters_params_but_not_digest(self, space, architectures):
        other = dataclasses.replace(space, prefix="encoder_")
        moved = other.parse(str(architectures[0]))
        assert all(name.startswith("encoder_") for name in moved.params)
        assert moved != architectures[0]
        assert moved.digest == architectures[0].digest

    # Enqueueing

    def test_enqueued_architecture_is_judged(self, space, architectures):
        for architecture in architectures[:5]:
            trial = finished(space, architecture)
            assert trial.params == architecture.params
            assert space.architecture(trial) == architecture

    def test_the_note_counts_more_than_the_params(self, space, architectures):
        trial = optuna.trial.create_trial(
            value=0.0, user_attrs={ARCHITECTURE_KEY: architectures[0].to_json()}
        )
        assert space.architecture(trial) == architectures[0]

    def test_a_note_of_another_prefix_is_not_ours(self, space, architectures):
        """Two spaces in one trial, of which one was enqueued."""
        other = dataclasses.replace(space, prefix="other_")
        study = new_study()
        architectures[0].enqueue(study)
        study.optimize(
            lambda trial: len(str(space.suggest(trial)) + str(other.suggest(trial))), n_trials=1
        )
        assert space.architecture(study.trials[0]) == architectures[0]
        assert len(str(architectures[0]) + str(other.architecture(study.trials[0]))) == (
            study.trials[0].value
        )

    def test_more_params(self, space, architectures):
        study = new_study()
        architectures[0].enqueue(study, lr=0.5)
        trial = study.ask()
        assert space.suggest(trial) == architectures[0]
        assert trial.suggest_float("lr", 0.0, 1.0) == 0.5
        assert space.architecture({**trial.params}) == architectures[0]

    def test_more_params_must_not_redecide(self, space, architectures):
        name = next(iter(architectures[0].params))
        with pytest.raises(ValueError, match=f"`more_params` must not decide.*{name}"):
            architectures[0].enqueue(new_study(), **{name: 0})

    # Refusals

    def test_missing_decision(self, space, architectures):
        for name in architectures[0].params:
            params = {k: v for k, v in architectures[0].params.items() if k != name}
            with pytest.raises(ValueError, match="is missing from the parameters|did not ask for"):
                space.architecture(params)

    @pytest.mark.parametrize("wrong", ["1", "no such choice", 1.5, -7, None, [1]])
    def test_wrong_value(self, space, architectures, wrong):
        params = architectures[0].params
        name = next(iter(params))
        with pytest.raises(ValueError, match=f"`{name}` must be .* but got"):
            space.architecture({**params, name: wrong})
        study = new_study()
        study.enqueue_trial({**params, name: wrong})
        with pytest.raises(ValueError, match=f"`{name}` must be .* but got"):
            space.suggest(study.ask())

    def test_live_trial_must_be_suggested_from(self, space):
        with pytest.raises(TypeError, match=r"use space\.suggest\(trial\)"):
            space.architecture(new_study().ask())

    def test_no_trial_at_all(self, space):
        with pytest.raises(TypeError, match="`trial` must be an Optuna trial"):
            space.suggest({})
        with pytest.raises(TypeError, match="`source` must be a finished trial"):
            space.architecture("text")

    def test_prefix_must_be_an_identifier(self, space):
        with pytest.raises(ValueError, match="`prefix` must be empty or a Python identifier"):
            dataclasses.replace(space, prefix="a b")

    def test_wrong_text(self, space):
        with pytest.raises(ValueError, match=r"\^|JSON"):
            space.parse("no architecture")

    @pytest.mark.parametrize("text", ["{", "[]", '{"space": "x"}'])
    def test_wrong_json(self, space, text):
        with pytest.raises(ValueError, match="JSON"):
            Architecture.from_json(text, space)

    def test_json_with_leftovers(self, space, architectures):
        data = json.loads(architectures[0].to_json())
        data["params"]["stranger"] = 1
        with pytest.raises(ValueError, match="does not ask for.*stranger"):
            Architecture.from_json(json.dumps(data), space)

    # Size, digest, picture, network

    def test_size(self, space):
        assert isinstance(space.num_architectures, int)
        if space.conditional:
            with pytest.raises(ValueError, match="no fixed list of decisions"):
                space.distributions()
        else:
            sizes = [size_of(d) for d in space.distributions().values()]
            assert len(sizes) == len(sample(space, 1)[0].params)

    def test_digest(self, space, architectures):
        for architecture in architectures:
            assert int(architecture.digest, 16) >= 0
            assert len(architecture.digest) == 32
            assert space.digest(architecture.params) == architecture.digest

    def test_picture(self, architectures):
        graph = architectures[0].graph()
        assert isinstance(graph, Graph)
        assert architectures[0].plot().data is not None

    def test_settings_are_json(self, space):
        assert json.loads(json.dumps(space.identity)) == space.identity
        assert space.identity["space"] == space.name

    def test_builds_and_learns_at_two_sizes(self, space):
        for architecture in sample(space, self.num_builds, seed=3):
            model = architecture.build(num_classes=5, in_channels=2, **self.small)
            for size in self.image_sizes:
                model.zero_grad()
                logits = model(torch.randn(2, 2, size, size))
                assert logits.shape == (2, 5)
                assert torch.isfinite(logits).all()
                logits.square().sum().backward()
                assert any(p.grad is not None for p in model.parameters())

    def test_small_images_work_or_name_the_smallest_that_do(self, space):
        model = sample(space, 1, seed=3)[0].build(num_classes=5, in_channels=2, **self.small)
        model.eval()
        for height, width in itertools.product((1, 2, 3, 5), (1, 6)):
            try:
                logits = model(torch.randn(1, 2, height, width))
            except ImageTooSmallError as error:
                logits = model(torch.randn(1, 2, error.minimum, error.minimum))
            except OddSizeError as error:
                heights, widths = error.working
                logits = model(torch.randn(1, 2, heights[-1], widths[-1]))
            assert logits.shape == (1, 5)

    def test_default_build_arguments(self, space, architectures):
        assert space.build_arguments["num_classes"] == 10
        assert space.build_arguments["in_channels"] == 3
        assert space.proxy.keys() <= space.build_arguments.keys()

    def test_unknown_build_argument(self, architectures):
        with pytest.raises(TypeError, match="does not take the build arguments.*num_classes=10"):
            architectures[0].build(num_clases=10)
