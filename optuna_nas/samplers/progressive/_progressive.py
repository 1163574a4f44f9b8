"""Progressive search: cells grow block by block, and a predictor says which are worth growing.

References:
    Liu et al., Progressive Neural Architecture Search, ECCV 2018, arXiv:1712.00559.

Differences from the paper:
    1. The default predictor is an ensemble of multilayer perceptrons, as there, of scikit-learn:
       squared loss without a sigmoid, fitted anew for each level.
    2. Equal cells are told apart from different ones by the space's digest, so more of them than
       those with operands swapped are evaluated once only.
    3. Workers never wait: while a level is unfinished, further ones get the next-best cells of it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Hashable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import is_int, shown
from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas.keys import LEVEL_KEY
from optuna_nas.samplers.base import (
    ArchitectureSampler,
    FixedProposal,
    History,
    Member,
    Proposal,
    Roles,
)
from optuna_nas.samplers.base._decisions import DecisionTable
from optuna_nas.samplers.predictor._surrogate import as_regressor, unfitted
from optuna_nas.samplers.progressive._growth import Growth
from optuna_nas.samplers.progressive._levels import Levels

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

    from optuna_nas.samplers.base import Assignment, Decides, SpaceLike
    from optuna_nas.samplers.base._replay import StudyReplay
    from optuna_nas.samplers.predictor._encoding import Floats
    from optuna_nas.samplers.progressive._levels import Predict

__all__ = ["ProgressiveSampler"]

LEVELS_STREAM = 2


class ProgressiveSampler(ArchitectureSampler):
    """Beam search from the smallest cells upwards (PNAS, arXiv:1712.00559).

    All cells of the smallest size are evaluated. Then each of them is extended in every way, a
    predictor that learned from all trials so far ranks the results, the best ``beam_size`` are
    evaluated, and so on up to the largest size. With the last cell the study stops, as with
    ``GridSampler``; with ask-and-tell it goes on with the next-best cells.

    For spaces with a size that grows, such as ``PNASSpace(num_blocks=(1, 5))``, where small cells
    are cheap to train and tell of large ones. The budget follows from the space: PNAS evaluates
    136 + 4 ``beam_size`` cells. Where all cells have one size, take :class:`PredictorSampler`.

    ================= ==========================================
    conditional       only on the size
    several objectives no
    constraints       infeasible trials rank below feasible ones
    pruning           yes, pruned trials rank below complete ones; they and failed ones count as
                      evaluated
    parallel          yes, asynchronous
    cost per trial    milliseconds; seconds for the first trial of a level
    ================= ==========================================

    Args:
        space: Space that is searched, with one size that can grow; see
            :class:`~optuna_nas.samplers.base.ArchitectureSampler`.
        beam_size: Cells of each level after the first, the paper's K; at least 1.
        surrogate: A regressor of scikit-learn that predicts from the share of each choice among
            the blocks. None: five multilayer perceptrons, as in the paper.
        roles: Roles of your own names: regular expressions mapped to roles. The size has the role
            ``growth``, as all names have that begin with ``num_``.
        seed: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`.
        hp_sampler: Likewise.
        decides: Likewise. There is no ``avoid_duplicates``: each cell is evaluated once.

    Raises:
        ValueError: If ``beam_size`` is below 1, or the space has not one size that can grow.
        TypeError: If ``surrogate`` is no regressor, or ``space`` no space.

    Example::

        import optuna
        from optuna_nas.samplers import ProgressiveSampler
        from optuna_nas.spaces import PNASSpace

        space = PNASSpace(num_blocks=(1, 2))
        study = optuna.create_study(sampler=ProgressiveSampler(space=space, beam_size=4, seed=0))
        study.optimize(lambda trial: str(space.suggest(trial)).count("pool"))
        assert len(study.trials) == 136 + 4
    """

    short_names = ("progressive",)
    needs_single_objective = True

    def __init__(
        self,
        *,
        space: SpaceLike,
        beam_size: int = 32,
        surrogate: Any = None,
        roles: Mapping[str, str] | None = None,
        seed: int | None = None,
        hp_sampler: BaseSampler | None = None,
        decides: Decides | Collection[str] | None = None,
    ) -> None:
        if not is_int(beam_size) or beam_size < 1:
            raise ValueError(
                f"`beam_size` must be 1 or more, but got beam_size={shown(beam_size)}."
            )
        self._beam_size = beam_size
        self._surrogate = as_regressor(surrogate)
        self._roles = Roles(roles)
        super().__init__(seed=seed, hp_sampler=hp_sampler, decides=decides, space=space)
        Growth(space, DecisionTable(self._decides), self._roles)  # refuses a space now

    @classmethod
    def pnas(cls, *, space: SpaceLike, **overrides: Any) -> ProgressiveSampler:
        """The paper's settings: K = 256, so 1,160 cells of up to five blocks.

        Args:
            space: ``PNASSpace(num_blocks=(1, 5))`` in the paper.
            overrides: Arguments of the class that differ from the paper's.
        """
        return cls(space=space, **({"beam_size": 256} | overrides))

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Stop the study after the last cell of the largest size."""
        super().after_trial(study, trial, state, values)
        with self._lock:
            if self._is_last(study, trial):
                with contextlib.suppress(RuntimeError):  # no loop under ask-and-tell
                    study.stop()

    def _avoids_known(self, replay: StudyReplay) -> bool:
        return True  # each cell has one trial, whatever else is searched

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose the most promising cell of the level that no trial has yet."""
        levels = self._levels(history)
        finished = _finished(history)
        level = levels.current(finished)
        done = {levels.key_of(member) for member in finished}
        if not history.must_be_unseen:
            beam = list(level.best().values())
            return FixedProposal(rng.choice("beam", beam))
        for place, (key, cell) in enumerate(level.cells()):
            if key in done or history.knows(cell):
                continue
            record = {"level": level.index, "place": place, "extra": place >= level.beam}
            return FixedProposal(cell, {LEVEL_KEY: record})
        if levels.is_last(level):
            return Proposal()
        return FixedProposal(levels.larger(level))  # any larger cell, until the level is complete

    def _is_last(self, study: Study, trial: FrozenTrial) -> bool:
        replay = self._state_of(study).replay
        history = History(replay)
        levels = self._levels(history)
        finished = _finished(history)
        level = levels.current(finished)
        if not levels.is_last(level):
            return False
        # Optuna calls `after_trial` before the trial counts as finished.
        return levels.is_complete(level, [*finished, replay.member(trial)])

    def _levels(self, history: History) -> Levels:
        assert self._space is not None
        space = self._space
        return history.learned(
            lambda: Levels(
                Growth(space, history.table, self._roles),
                beam_size=self._beam_size,
                key=self._key,
                fit=self._fit,
                rng=lambda level: KeyedGenerator(self._seed, level, stream=LEVELS_STREAM),
            )
        )

    def _key(self, decisions: Mapping[str, Assignment]) -> Hashable:
        """Return what tells architectures apart; one of another space never equals ours."""
        values = {name: made.value for name, made in decisions.items()}
        digest = getattr(self._space, "digest", None)
        if digest is not None:
            with contextlib.suppress(ValueError):
                key: Hashable = digest(values)
                return key
        return frozenset((name, type(value), value) for name, value in values.items())

    def _fit(self, shares: Floats, targets: Floats, seed: int) -> Predict:
        surrogate = _perceptrons() if self._surrogate is None else self._surrogate
        regressor = unfitted(surrogate, seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sklearn")  # it need not converge
            predict: Predict = regressor.fit(shares, targets).predict
        return predict


def _finished(history: History) -> list[Member]:
    return sorted([*history.members, *history.failures], key=attrgetter("age"))


def _perceptrons() -> Any:
    """Make five perceptrons of two hidden layers of 100, each for four fifths of the trials."""
    from sklearn.ensemble import BaggingRegressor  # takes seconds to import
    from sklearn.neural_network import MLPRegressor

    perceptron = MLPRegressor(hidden_layer_sizes=(100, 100), learning_rate_init=0.01)
    return BaggingRegressor(perceptron, n_estimators=5, max_samples=0.8, bootstrap=False)
