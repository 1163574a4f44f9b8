"""Bars of searches whose steps are epochs; lines instead where nobody watches, as in a log."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import click

__all__ = ["PhaseBars"]


class PhaseBars:
    """One bar after the other, one for each phase.

    Args:
        lengths: Number of steps of each phase.
    """

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._lengths = lengths
        self._watched = sys.stdout.isatty()
        self._phase: str | None = None
        self._done = 0
        self._said: str | None = None
        self._bar: Any = None

    def __enter__(self) -> PhaseBars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.begin(None)

    def begin(self, phase: str | None) -> None:
        """End the bar that there is, and show that of a phase."""
        if self._bar is not None:
            self._bar.render_finish()
        self._phase, self._done, self._bar = phase, 0, None
        if phase is not None and self._watched:
            self._bar = click.progressbar(
                length=self._lengths[phase],
                label=f"{phase:<8}",
                show_pos=True,
                item_show_func=lambda text: text,
            )
            self._bar.render_progress()

    def advance(self, phase: str, text: str | None = None) -> None:
        """Note a step of a phase, and what there is to say of it."""
        if phase != self._phase:
            self.begin(phase)
        self._done += 1
        self._said = text or self._said
        if self._bar is not None:
            self._bar.update(1, self._said)
        elif text is not None:
            click.echo(f"{phase} {self._done} of {self._lengths[phase]}: {text}")

    def note(self, text: str) -> None:
        """Say something beside the bar, which stays there."""
        self._said = text
        if self._bar is None:
            click.echo(text)
        else:
            self._bar.update(0, text)
