"""Test case: an architecture is a value that comes back from everywhere as it was."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import pickle
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.trial import FixedTrial

from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.testing._case import SpaceCase
from optuna_nas.testing._studies import asked, evaluated, is_choice, new_study, suggested

__all__ = ["RoundTripCase"]


class RoundTripCase(SpaceCase):
    """Parameters, text, JSON, trials and storages lead back to the same architecture."""

    def test_params_round_trip(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """Decoding what was encoded gives an equal architecture of an equal hash."""
        for architecture in architectures:
            again = space.architecture(architecture.params)
            assert again == architecture, (
                "space.architecture(a.params) must give the architecture again, but "
                f"{architecture.params} came back as {again.params}."
            )
            assert hash(again) == hash(architecture), "Equal architectures must have equal hashes."
            assert again.genotype == architecture.genotype, (
                "Equal decisions must spell equal genotypes, but they gave "
                f"{architecture.genotype} and {again.genotype}."
            )

    def test_text_round_trip(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        """Parsing the notation gives the architecture again."""
        for architecture in architectures:
            text = str(architecture)
            again = space.parse(text)
            assert again == architecture, (
                f"space.parse(str(a)) must give the architecture again, but {text!r} of "
                f"{architecture.params} was read as {again.params}."
            )

    def test_json_round_trip(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        """Reading the JSON gives the architecture again."""
        for architecture in architectures:
            text = architecture.to_json()
            assert Architecture.from_json(text, space) == architecture, (
                f"Architecture.from_json(a.to_json(), space) must give the architecture, not "
                f"another one than {text}."
            )
            assert json.loads(text)["params"] == architecture.params

    def test_settings_are_json(self, space: SearchSpace) -> None:
        """Name, version and settings survive JSON."""
        assert json.loads(json.dumps(space.identity)) == space.identity, (
            "The settings of a space must be numbers, strings and tuples, which JSON keeps, but "
            f"got {space.settings}."
        )
        assert space.identity["space"] == space.name

    def test_pickle_round_trip(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """A space goes to another process, and says the same there."""
        again = pickle.loads(pickle.dumps(space))
        assert again == space, "A space must be equal to its pickled copy."
        assert [again.architecture(a.params).digest for a in architectures] == [
            a.digest for a in architectures
        ], "A pickled copy of a space must give the digests of the space."

    def test_fixed_trial_round_trip(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """A ``FixedTrial`` can be decoded and suggested from."""
        for architecture in architectures:
            assert space.architecture(FixedTrial(architecture.params)) == architecture
            assert space.suggest(FixedTrial(architecture.params)) == architecture

    def test_frozen_trial_round_trip(self, space: SearchSpace) -> None:
        """Finished trials are decoded to what was suggested in them."""
        study = new_study()
        seen: list[Architecture] = []

        def objective(trial: optuna.Trial) -> float:
            seen.append(space.suggest(trial))
            return 0.0

        study.optimize(objective, n_trials=5)
        assert [space.architecture(trial) for trial in study.trials] == seen, (
            "space.architecture(finished trial) must give what space.suggest gave in the trial."
        )
        assert [space.suggest(trial) for trial in study.trials] == seen

    def test_database_round_trip(self, space: SearchSpace) -> None:
        """Enqueued and sampled architectures come back from a database."""
        # In memory, since a file would wait for the disk after every parameter.
        storage = optuna.storages.RDBStorage("sqlite:///:memory:")
        study = new_study(storage=storage)
        wanted = suggested(space, 2, seed=7)
        wanted[0].enqueue(study)
        study.enqueue_trial(wanted[1].params)
        study.optimize(lambda trial: float(len(str(space.suggest(trial)))), n_trials=3)
        loaded = optuna.load_study(study_name=study.study_name, storage=storage)
        trials = loaded.trials
        storage.engine.dispose()
        decoded = [space.architecture(trial) for trial in trials]
        assert decoded[:2] == wanted, "What was enqueued must be what a storage gives back."
        assert [len(str(a)) for a in decoded] == [t.value for t in trials]

    # Enqueueing

    def test_enqueued_architectures_are_evaluated(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """A study evaluates the architecture that was enqueued."""
        for architecture in architectures[:5]:
            trial = evaluated(space, architecture)
            assert trial.params == architecture.params
            assert space.architecture(trial) == architecture

    def test_the_stored_architecture_counts_more_than_the_params(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """A trial without parameters, as of one-shot search, is read from its attribute."""
        trial = optuna.trial.create_trial(
            value=0.0, user_attrs={ARCHITECTURE_KEY: architectures[0].to_json()}
        )
        assert space.architecture(trial) == architectures[0]

    def test_architectures_with_other_params(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """Hyperparameters live in the same trial and are passed over."""
        study = new_study()
        architectures[0].enqueue(study, lr=0.5)
        trial = study.ask()
        assert space.suggest(trial) == architectures[0]
        assert trial.suggest_float("lr", 0.0, 1.0) == 0.5
        assert space.architecture(trial.params) == architectures[0]

    # Two spaces in one trial

    def test_two_spaces_in_one_trial(self, space: SearchSpace) -> None:
        """With different prefixes, each is decoded to what it suggested."""
        first = dataclasses.replace(space, prefix="first_")
        second = dataclasses.replace(space, prefix="second_")
        study = new_study()
        seen: list[tuple[Architecture, Architecture]] = []

        def objective(trial: optuna.Trial) -> float:
            seen.append((first.suggest(trial), second.suggest(trial)))
            return 0.0

        study.optimize(objective, n_trials=3)
        for trial, pair in zip(study.trials, seen, strict=True):
            assert (first.architecture(trial), second.architecture(trial)) == pair
            assert {**pair[0].params, **pair[1].params} == trial.params

    def test_a_prefix_enters_params_but_not_digest(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """The prefix only renames the decisions."""
        other = dataclasses.replace(space, prefix="encoder_")
        moved = other.parse(str(architectures[0]))
        assert all(name.startswith("encoder_") for name in moved.params), (
            f"Every decision must begin with the prefix, but got {sorted(moved.params)}."
        )
        assert moved != architectures[0]
        assert moved.digest == architectures[0].digest, (
            "The prefix changes the names only, so it must not change the digest."
        )

    # Refusals

    def test_missing_decisions_are_refused(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """Parameters without one of the decisions are no architecture."""
        for name in architectures[0].params:
            params = {k: v for k, v in architectures[0].params.items() if k != name}
            with pytest.raises(ValueError, match="is missing from the parameters|did not ask for"):
                space.architecture(params)

    def test_left_over_decisions_are_refused(self, space: SearchSpace) -> None:
        """Decisions of another architecture, which this one does not ask for, are an error.

        The prefix lets function spaces know their names, which they do not without one.
        """
        prefixed = dataclasses.replace(space, prefix="own_")
        architectures = suggested(prefixed, self.num_samples)
        for one, other in itertools.permutations(architectures, 2):
            left = sorted(other.params.keys() - one.params.keys())
            if left:
                both = {**other.params, **one.params}
                with _refused(f"{left}, which belong to another architecture"):
                    prefixed.architecture(both)

    @pytest.mark.parametrize("wrong", ["1", "no such choice", 1.5, -7, None, [1]])
    def test_wrong_values_are_refused(
        self, space: SearchSpace, architectures: list[Architecture], wrong: Any
    ) -> None:
        """A value that is none of the choices is refused by name, enqueued or decoded."""
        params = architectures[0].params
        name = next(iter(params))
        if is_choice(wrong, asked(space, params)[name]):
            pytest.skip(f"{wrong!r} is a choice of `{name}`")
        with pytest.raises(ValueError, match=f"`{name}` must be .* but got"):
            space.architecture({**params, name: wrong})
        study = new_study()
        study.enqueue_trial({**params, name: wrong})
        with pytest.raises(ValueError, match=f"`{name}` must be .* but got"):
            space.suggest(study.ask())


@contextlib.contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        return
    pytest.fail(f"The space must refuse {what}: its `owns` must know every name that it asks for.")
