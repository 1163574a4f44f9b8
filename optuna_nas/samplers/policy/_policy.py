"""A policy learned by replaying finished trials in the order in which they were completed.

Two processes that see the same set of trials hold the same policy. A trial that arrives late,
though it was completed before others, rolls the replay back to the last snapshot before it.
"""

from __future__ import annotations

import bisect
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optuna_nas.samplers.policy._controller import Controller, Encoded
from optuna_nas.samplers.policy._gradient import (
    behaviour,
    imitation_loss,
    policy_loss,
    skip_loss,
)
from optuna_nas.samplers.policy._rollout import LOG_PROB
from optuna_nas.samplers.policy._token_sequences import read

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Member, Outcome, Roles
    from optuna_nas.samplers.policy._settings import ControllerNetwork, PolicySettings
    from optuna_nas.samplers.policy._token_sequences import Block, TokenSequence

__all__ = ["Policy", "Snapshot", "undisturbed"]

SNAPSHOT_EVERY, SNAPSHOTS_KEPT = 16, 8
LARGEST_REWARD = 1e15  # its square is still a float32, which Adam's moments are


@dataclass(frozen=True)
class _Episode:
    trial: Encoded
    reward: float
    log_prob: float | None  # when it was proposed; None for a trial of another sampler


@dataclass(frozen=True)
class Snapshot:
    """A policy after its first ``count`` trials; state that follows from them is left out."""

    count: int
    blocks: list[Block]
    parameters: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]
    baseline: float | None
    rewards: list[float]  # of the trials that wait for the next update


class Policy:
    """The policy of one study, brought up to date trial by trial.

    Args:
        network: Size and shape of the controller.
        settings: How it learns.
        seed: Seed of the initial weights.
        maximize: Whether the study's values are maximised.
        roles: Tells anchors.

    Attributes:
        controller: The network as it stands.
        baseline: The moving average b of rewards; None before the first update.
    """

    def __init__(
        self,
        network: ControllerNetwork,
        settings: PolicySettings,
        *,
        seed: int,
        maximize: bool,
        roles: Roles,
    ) -> None:
        self.network = network
        self.settings = settings
        self.seed = seed
        self._roles = roles
        self._maximize = maximize
        self._snapshots: list[Snapshot] = []
        self._consumed: list[Member] = []
        self._begin()

    def _begin(self) -> None:
        """Go back to before the first trial."""
        self.controller = Controller(self.network, seed=self.seed)
        self.baseline: float | None = None
        self._optimizer = self._new_optimizer()
        self._batch: list[_Episode] = []
        self._outcomes: list[Outcome] = []  # sorted, of all trials
        self._raw: list[float] = []  # sorted
        self._elites: list[tuple[Outcome, int, Encoded]] = []  # best first

    @property
    def count(self) -> int:
        """Number of trials that have been taken in."""
        return len(self._consumed)

    @property
    def consumed(self) -> Sequence[Member]:
        """The trials that have been taken in, in the order of completion."""
        return self._consumed

    def catch_up(
        self, members: Sequence[Member], *, each: Callable[[], None] | None = None
    ) -> None:
        """Take in the trials that are new.

        Args:
            members: All finished trials in the order of completion.
            each: Called after each new trial.
        """
        known = self.count
        if known and (known > len(members) or members[known - 1] is not self._consumed[-1]):
            self._roll_back(members)
        for member in members[self.count :]:
            self._consume(member)
            if self.count % SNAPSHOT_EVERY == 0:
                self._snapshots.append(self.snapshot())
                del self._snapshots[:-SNAPSHOTS_KEPT]
            if each is not None:
                each()

    def _roll_back(self, members: Sequence[Member]) -> None:
        same = 0
        for mine, theirs in zip(self._consumed, members, strict=False):
            if mine is not theirs:
                break
            same += 1
        while self._snapshots and self._snapshots[-1].count > same:
            self._snapshots.pop()
        if self._snapshots:
            self.restore(self._snapshots[-1], members)
        else:
            self._consumed = []
            self._begin()

    def snapshot(self) -> Snapshot:
        """Return the policy as it stands, untouched by further learning."""
        named = dict(self.controller.named_parameters())
        return Snapshot(
            self.count,
            list(self.controller.blocks.values()),
            {name: parameter.detach().clone() for name, parameter in named.items()},
            {
                name: {key: value.clone() for key, value in moments.items()}
                for name, parameter in named.items()
                if (moments := self._optimizer.state.get(parameter))
            },
            self.baseline,
            [episode.reward for episode in self._batch],
        )

    def restore(self, snapshot: Snapshot, members: Sequence[Member]) -> None:
        """Return to a snapshot.

        Args:
            snapshot: Snapshot of a policy with the same settings and seed.
            members: All finished trials; the first ones are those it has learned from.
        """
        self._begin()
        self.controller.grow(snapshot.blocks)
        self._optimizer = self._new_optimizer()
        with torch.no_grad():
            for name, parameter in self.controller.named_parameters():
                parameter.copy_(snapshot.parameters[name])
                if name in snapshot.moments:
                    self._optimizer.state[parameter] = {
                        key: value.clone() for key, value in snapshot.moments[name].items()
                    }
        self.controller.changed()
        self.baseline = snapshot.baseline
        self._consumed = list(members[: snapshot.count])
        for member in self._consumed:
            self._reward(member)
        waiting = self._consumed[snapshot.count - len(snapshot.rewards) :]
        self._batch = [
            _Episode(self._encoded(m), reward, _log_prob(m))
            for m, reward in zip(waiting, snapshot.rewards, strict=True)
        ]
        best = sorted(self._consumed, key=lambda m: (m.outcome, m.number))
        imitation = self.settings.imitation
        for member in best[: 0 if imitation is None else imitation.size]:
            self._note_elite(member, self._encoded(member))

    def _consume(self, member: Member) -> None:
        trial = self._encoded(member)
        reward = self._reward(member)
        self._batch.append(_Episode(trial, reward, _log_prob(member)))
        self._note_elite(member, trial)
        if len(self._batch) >= self.settings.batch_size:
            self._update()
        self._consumed.append(member)

    def _encoded(self, member: Member) -> Encoded:
        sequence = read(member.decisions, self._roles)
        self._grow(sequence)
        return self.controller.encode(sequence)

    def _grow(self, sequence: TokenSequence) -> None:
        """Make room for choices that no earlier trial had, in the optimiser too.

        The parameters are new tensors of more rows, so Adam is made anew, and its moments are
        taken over, with zeros for the new rows.
        """
        old = dict(self.controller.named_parameters())
        if not self.controller.grow(list(sequence.blocks.values())):
            return
        before, self._optimizer = self._optimizer, self._new_optimizer()
        for name, parameter in self.controller.named_parameters():
            if moments := before.state.get(old[name]):
                self._optimizer.state[parameter] = {
                    key: _padded(value, parameter.shape) if value.dim() else value
                    for key, value in moments.items()
                }

    def _new_optimizer(self) -> torch.optim.Adam:
        adam = self.settings.optimizer
        return torch.optim.Adam(
            self.controller.parameters(), lr=adam.lr, betas=adam.betas, eps=adam.eps, fused=True
        )

    def _reward(self, member: Member) -> float:
        """Compute R of a trial, from the trials completed before it and itself."""
        reward = self.settings.reward
        if reward == "rank":
            bisect.insort(self._outcomes, member.outcome)
            below = len(self._outcomes) - bisect.bisect_right(self._outcomes, member.outcome)
            equal = (
                len(self._outcomes) - below - bisect.bisect_left(self._outcomes, member.outcome)
            )
            if len(self._outcomes) == 1:
                return 0.5
            return (below + 0.5 * (equal - 1)) / (len(self._outcomes) - 1)
        value = _value(member)
        if value is None:  # infeasible, or pruned before it had reported anything
            return self._raw[0] if self._raw else 0.0
        if callable(reward):
            value = float(reward(value))
        elif not self._maximize:
            value = -value
        value = max(-LARGEST_REWARD, min(value, LARGEST_REWARD))
        bisect.insort(self._raw, value)
        return value

    def _note_elite(self, member: Member, trial: Encoded) -> None:
        if (imitation := self.settings.imitation) is not None:
            bisect.insort(
                self._elites, (member.outcome, member.number, trial), key=lambda e: e[:2]
            )
            del self._elites[imitation.size :]

    def _update(self) -> None:
        s = self.settings
        episodes, self._batch = self._batch, []
        rewards = [episode.reward for episode in episodes]
        baseline = rewards[0] if self.baseline is None else self.baseline
        advantages = torch.tensor([reward - baseline for reward in rewards])
        for reward in rewards:
            baseline = s.baseline_decay * baseline + (1.0 - s.baseline_decay) * reward
        self.baseline = baseline
        trials = [episode.trial for episode in episodes]
        trials += [trial for _, _, trial in self._elites]
        recorded = [episode.log_prob for episode in episodes]
        before: Tensor | None = None
        for _ in range(s.inner_steps):
            log_prob, entropy, anchors = self.controller(trials)
            if before is None:
                before = behaviour(recorded, log_prob.detach())
            m = len(episodes)
            loss = policy_loss(log_prob[:m], entropy[:m], advantages, before, s)
            loss = loss + imitation_loss(log_prob[m:], s.imitation)
            loss = loss + skip_loss(anchors, s.skip_penalty)
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()
        self.controller.changed()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Learn on the CPU with gradients, whatever the user's code has set around the trial."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


def _log_prob(member: Member) -> float | None:
    return LOG_PROB.read(member.trial)


def _value(member: Member) -> float | None:
    """Return the objective's value, or the last one reported by a pruned trial."""
    kind, _, _ = member.outcome
    if kind == 0:
        return _finite(member.trial.values[0])
    step = member.trial.last_step
    if kind != 1 or step is None:
        return None
    return _finite(member.trial.intermediate_values[step])


def _finite(value: float) -> float | None:
    """Return a value if it is finite, so that a gradient can be taken from it."""
    return value if math.isfinite(value) else None


def _padded(value: Tensor, shape: torch.Size) -> Tensor:
    """Append zeros for the new rows."""
    result = value.new_zeros(shape)
    result[: len(value)] = value
    return result
