"""Runs of samplers: a CSV that grows run by run, summaries, and a figure."""

from __future__ import annotations

import csv
import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Run", "Runs", "Steps"]

Steps = list[tuple[int, float]]
"""Number of trials and the regret from there on, wherever it changes."""

COLUMNS = ("problem", "sampler", "noisy", "seed", "trials", "steps")


class Run(NamedTuple):
    """What makes a run: it is not repeated."""

    problem: str
    sampler: str
    seed: int
    noisy: bool


@dataclass
class Runs:
    """Finished runs of one length, kept in a CSV with one line for each.

    Args:
        path: The CSV.
        trials: Length of the runs.
        steps: The runs that are there.
    """

    path: Path
    trials: int
    steps: dict[Run, Steps] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, trials: int) -> Runs:
        """The runs of that length, or longer; a line that was cut off is left out."""
        runs = cls(path, trials)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(COLUMNS) + "\n")
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole)
        for row in csv.DictReader(whole.splitlines()):
            if int(row["trials"]) >= trials:
                noisy = row["noisy"] == "True"
                run = Run(row["problem"], row["sampler"], int(row["seed"]), noisy)
                runs.steps[run] = _parse(row["steps"])
        return runs

    def add(self, run: Run, steps: Steps) -> None:
        """Keep a run."""
        self.steps[run] = steps
        text = ";".join(f"{trial}:{regret:.6g}" for trial, regret in steps)
        with self.path.open("a", newline="") as file:
            row = (run.problem, run.sampler, run.noisy, run.seed, self.trials, text)
            csv.writer(file, lineterminator="\n").writerow(row)

    @staticmethod
    def regret(steps: Steps, trials: int) -> float:
        """Regret after that many trials; NaN before the first choice."""
        place = bisect_right(steps, (trials, math.inf)) - 1
        return steps[place][1] if place >= 0 else math.nan

    @staticmethod
    def until_optimum(
        found: Sequence[Steps], trials: int, tolerance: float
    ) -> tuple[float, float]:
        """Median of the trials until the optimum was the choice, and the share of such runs."""
        hits = [
            next((trial for trial, regret in steps if regret <= tolerance), math.inf)
            for steps in found
        ]
        return statistics.median(hits), sum(hit <= trials for hit in hits) / len(hits)

    @staticmethod
    def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
        """Mean and its standard error."""
        if len(values) < 2:
            return statistics.mean(values), math.nan
        return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))

    def draw(self, asked: Sequence[Run], path: Path) -> Path:
        """Write a figure of the mean regret of each sampler, with 95 % confidence bands.

        Args:
            asked: Which runs; those that are not there are left out.
            path: File to write. A PNG needs kaleido; without it an HTML file is written.

        Returns:
            The file that was written.
        """
        import plotly.graph_objects as go
        from plotly.colors import qualitative
        from plotly.subplots import make_subplots

        problems = list(dict.fromkeys(run.problem for run in asked))
        samplers = list(dict.fromkeys(run.sampler for run in asked))
        figure = make_subplots(rows=1, cols=len(problems), subplot_titles=problems)
        for column, problem in enumerate(problems, start=1):
            for sampler, color in zip(samplers, qualitative.Dark24, strict=False):
                found = [
                    self.steps[run]
                    for run in asked
                    if run[:2] == (problem, sampler) and run in self.steps
                ]
                for trace in _traces(go, sampler, color, found, self.trials, column == 1):
                    figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title_text="trials")
        figure.update_yaxes(type="log", title_text="regret", range=[-2, 1.5])
        figure.update_layout(template="plotly_white", width=450 * len(problems) + 150, height=480)
        return _write(figure, path)


def _parse(text: str) -> Steps:
    pairs = (step.split(":") for step in text.split(";"))
    return [(int(trial), float(regret)) for trial, regret in pairs]


def _traces(
    go: Any, sampler: str, color: str, found: list[Steps], trials: int, legend: bool
) -> list[Any]:
    """A line for the mean and a band around it."""
    if not found:
        return []
    at = sorted({*range(1, 50), *range(50, trials + 1, 5)})
    at = [trial for trial in at if all(steps[0][0] <= trial for steps in found)]
    summary = [Runs.mean_and_error([Runs.regret(s, trial) for s in found]) for trial in at]
    means = [mean for mean, _ in summary]
    half = [0.0 if math.isnan(error) else 1.96 * error for _, error in summary]
    low = [max(mean - h, 1e-3) for mean, h in zip(means, half, strict=True)]
    high = [mean + h for mean, h in zip(means, half, strict=True)]
    line = go.Scatter(
        x=at, y=means, name=sampler, legendgroup=sampler, showlegend=legend, line={"color": color}
    )
    band = go.Scatter(
        x=at + at[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=color,
        opacity=0.15,
        line={"width": 0},
        legendgroup=sampler,
        showlegend=False,
        hoverinfo="skip",
    )
    return [band, line]


def _write(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        try:
            figure.write_image(path)
            return path
        except (ValueError, RuntimeError) as e:
            path = path.with_suffix(".html")
            print(f"no PNG ({str(e).strip().splitlines()[0]}): {path} instead")
    figure.write_html(path, include_plotlyjs="cdn")
    return path
