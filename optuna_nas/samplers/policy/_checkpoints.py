"""Start-up checkpoints of a policy in an artifact store, so that a late worker replays little.

A checkpoint is named by the hash of what it was learned from and how. It is never the truth: one
that is missing or damaged costs the time of replaying the trials, nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from optuna.artifacts.exceptions import ArtifactNotFound

from optuna_nas._ground.names import identity_of
from optuna_nas.samplers.policy._policy import Policy, Snapshot
from optuna_nas.samplers.policy._token_sequences import Block

if TYPE_CHECKING:
    from optuna_nas._ground.optuna_seam import ArtifactStore
    from optuna_nas.samplers.base import Member

__all__ = ["CHECKPOINT_EVERY", "PolicyCheckpoints"]

CHECKPOINT_EVERY = 250


class PolicyCheckpoints:
    """Writes and finds the checkpoints of one policy.

    Args:
        store: An artifact store of Optuna, shared by all workers.
        policy: The policy that is saved and restored.
    """

    def __init__(self, store: ArtifactStore, policy: Policy) -> None:
        self._store = store
        self._policy = policy
        self._written: list[str] = []

    def load(self, members: Sequence[Member]) -> None:
        """Restore the policy from the latest checkpoint that was learned from these trials."""
        for name, count in reversed(list(self._names(members))):
            try:
                with self._store.open_reader(name) as file:
                    content = file.read()
            except ArtifactNotFound:
                continue
            try:
                snapshot = _loads(content)
                if snapshot.count != count:
                    raise ValueError(f"it is of {snapshot.count} trials")
                self._policy.restore(snapshot, members)
                return
            except Exception as e:  # whatever a damaged file can lead to
                warnings.warn(
                    f"The policy checkpoint {name!r} is damaged ({e}) and is passed over; the "
                    "trials are replayed instead.",
                    stacklevel=2,
                )

    def save(self) -> None:
        """Write a checkpoint if one is due; the one before the last is removed."""
        if self._policy.count % CHECKPOINT_EVERY:
            return
        *_, (name, _) = self._names(self._policy.consumed)
        self._store.write(name, io.BytesIO(_dumps(self._policy.snapshot())))
        self._written.append(name)
        if len(self._written) > 2:
            try:
                self._store.remove(self._written.pop(0))
            except ArtifactNotFound:  # another worker was faster
                pass

    def _names(self, members: Sequence[Member]) -> Iterator[tuple[str, int]]:
        """Yield the names of all checkpoints that there may be, with the trials of each."""
        digest = hashlib.sha256(settings_text(self._policy).encode())
        for count, member in enumerate(members, start=1):
            decisions = [(name, index) for name, (_, index) in member.decisions.items()]
            digest.update(repr((member.number, member.outcome, decisions)).encode())
            if count % CHECKPOINT_EVERY == 0:
                yield f"optuna-nas-policy-{digest.hexdigest()[:32]}", count


def settings_text(policy: Policy) -> str:
    """Write a policy's settings in the form in which the names of checkpoints hash them.

    The form is a stored format: with any other one, a checkpoint of an earlier version would no
    longer be found. It is older than the classes that hold the settings now, so it has names of
    its own.
    """
    network, s = policy.network, policy.settings
    reward = s.reward if isinstance(s.reward, str) else identity_of(s.reward)
    size, imitated = (0, 0.3) if s.imitation is None else (s.imitation.size, s.imitation.weight)
    target, penalty = (
        (None, 0.0) if s.skip_penalty is None else (s.skip_penalty.target, s.skip_penalty.weight)
    )
    shape = {field.name: getattr(network, field.name) for field in dataclasses.fields(network)}
    learning = {
        "batch_size": s.batch_size,
        "inner_steps": s.inner_steps,
        "clip": s.clip,
        "learning_rate": s.optimizer.lr,
        "betas": s.optimizer.betas,
        "eps": s.optimizer.eps,
        "baseline_decay": s.baseline_decay,
        "entropy_weight": s.entropy_weight,
        "reward": reward,
        "elite_size": size,
        "elite_weight": imitated,
        "skip_target": target,
        "skip_weight": penalty,
    }
    parts = {"ControllerShape": shape, "PolicySettings": learning}
    written = [
        f"{name}({', '.join(f'{key}={value!r}' for key, value in fields.items())})"
        for name, fields in parts.items()
    ]
    return f"({written[0]}, {written[1]}, {policy.seed!r})"


def _dumps(snapshot: Snapshot) -> bytes:
    content = {field.name: getattr(snapshot, field.name) for field in dataclasses.fields(snapshot)}
    content["blocks"] = [(b.key, b.size, b.of_name) for b in snapshot.blocks]
    file = io.BytesIO()
    torch.save(content, file)
    return hashlib.sha256(file.getvalue()).digest() + file.getvalue()


def _loads(content: bytes) -> Snapshot:
    digest, content = content[:32], content[32:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its content does not fit its checksum")
    read = torch.load(io.BytesIO(content), weights_only=True)
    read["blocks"] = [Block(*block) for block in read["blocks"]]
    return Snapshot(**read)
