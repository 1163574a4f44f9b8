"""The history of a study, as a sampler's ``propose_next`` sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from optuna.study import StudyDirection

    from optuna_nas.samplers.base._decisions import Assignment, Decision, DecisionTable
    from optuna_nas.samplers.base._members import Member
    from optuna_nas.samplers.base._replay import StudyReplay

__all__ = ["History"]

T = TypeVar("T")


class History:
    """Everything that is known of a study when one of its trials is decided.

    Made by :class:`ArchitectureSampler`; a sampler only reads it.

    Args:
        replay: The state of the sampler in the study.
        number: Number of the trial that is decided.
        must_be_unseen: Whether known decisions are avoided in it.

    Example::

        def propose_next(self, history, rng):
            if len(history.members) < 10:
                return {}  # drawn at random
            return history.best.decisions
    """

    def __init__(
        self, replay: StudyReplay, *, number: int = -1, must_be_unseen: bool = False
    ) -> None:
        self._replay = replay
        self._number = number
        self._must_be_unseen = must_be_unseen

    @property
    def members(self) -> Sequence[Member]:
        """Finished trials that did not fail, the oldest first.

        All of them, or as many of the youngest as the sampler's ``history_size`` says. Complete,
        pruned and infeasible ones are told apart by ``state`` and ranked by ``outcome``.
        """
        return self._replay.members

    @property
    def failures(self) -> Sequence[Member]:
        """Failed trials that had made all their decisions, the oldest first.

        Empty if the sampler has a ``history_size``.
        """
        return self._replay.failures

    @property
    def best(self) -> Member | None:
        """The member of the best outcome, the oldest of equals; None if there is no member.

        Raises:
            ValueError: If the study has several objectives.
        """
        if len(self.directions) > 1:
            raise ValueError(
                f"`history.best` needs one objective, but the study has {len(self.directions)}. "
                "Compare `history.members` by their `values`, or set "
                "`needs_single_objective = True` in the sampler."
            )
        return min(self.members, key=lambda member: member.outcome, default=None)

    @property
    def pending(self) -> list[dict[str, Assignment]]:
        """Decisions of the running trials whose decisions are known, by number of the trial."""
        return self._replay.pending

    @property
    def directions(self) -> list[StudyDirection]:
        """Directions of the study, one for each objective."""
        return self._replay.directions

    @property
    def static_decisions(self) -> tuple[Decision, ...] | None:
        """The decisions that all trials asked for, in order; None if unknown or they differ."""
        return self._replay.static_decisions

    @property
    def table(self) -> DecisionTable:
        """The decisions of the study by name and distribution."""
        return self._replay.table

    @property
    def has_other_params(self) -> bool:
        """Whether the study has parameters that the sampler leaves to ``hp_sampler``."""
        return self._replay.has_other_params

    @property
    def must_be_unseen(self) -> bool:
        """Whether known decisions are avoided in this trial.

        The base closes choices that lead to known decisions only, so a proposal need not look.
        One that asks :meth:`knows` itself gets the nearest unknown decisions of its own choice
        instead.
        """
        return self._must_be_unseen

    @property
    def releases(self) -> int:
        """Number of times that something known became unknown, as when a running trial failed.

        A sampler that remembers answers of :meth:`knows` has to forget them when it has grown.
        """
        return self._replay.releases

    def knows(self, decisions: Mapping[str, Assignment]) -> bool:
        """Tell whether another trial had or claims these decisions, or computes the same.

        Args:
            decisions: All decisions of a trial, by name.
        """
        return self._replay.knows(decisions, besides=self._number)

    def learned(self, begin: Callable[[], T]) -> T:
        """Return the object in which the sampler keeps what it has learned of this study.

        Args:
            begin: Makes the object at the first call, before anything is learned. What it learns
                must follow from the finished trials alone, so that a restarted search agrees.

        Example::

            model = history.learned(Model)
            model.catch_up(history.members)
        """
        return self._replay.learned(begin)
