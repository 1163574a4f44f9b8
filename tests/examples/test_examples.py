"""Every example runs, on real data, with fewer trials."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ARGUMENTS = {
    "own_sampler.py": "",
    "own_space.py": "",
    "own_training.py": "--trials 3",
    "own_variant.py": "",
    "image_and_table.py": "--trials 1 --epochs 1",
}
FOR_CI_ONLY = {
    "digits_search.py": "--folder out --trials 3 --seeds 2 --final-epochs 1",
    "own_cells.py": "--trials 3",
    "nas_rl.py": "--trials 3 --epochs 1",
    "mnasnet.py": "--trials 3 --epochs 1 --final-epochs 1",
    "darts.py": "--searches 1 --epochs 1 --eval-epochs 1 --trials 2",
    "amoebanet.py": "--trials 3 --epochs 1 --population 2",
    "efficientnet_scaling.py": "--trials 12 --epochs 1 --images 32",
    "enas.py": "--epochs 1 --children 3 --final-epochs 1 --compared 2",
    "joint_search.py": "--trials 2 --epochs 1 --seeds 2",
    "lightning_ddp.py": "--trials 2",
    "nasnet.py": "--trials 2 --epochs 1 --final-epochs 1",
    "pnas.py": "--beam 1 --epochs 1 --train-size 64 --blocks 2",
    "random_search_asha.py": "--trials 4 --epochs 2 --seeds 2",
    "resnet_rs_scaling.py": "--short 1 --long 2 --repetitions 1 --images 32",
    "scale_found_cell.py": "--trials 1 --epochs 1 --repetitions 1 --images 32",
    "character_transformer.py": "--trials 1 --epochs 1",
    "forecasting.py": "--trials 2 --epochs 1",
    "multilabel.py": "--trials 1 --epochs 1",
    "segmentation.py": "--trials 1 --epochs 1",
    "tabular_regression.py": "--trials 2 --epochs 2",
}


NEEDS = {"lightning_ddp.py": ("lightning",)}
METRICS = {
    "lightning_ddp.py": ("validation MAE 0.",),
    "character_transformer.py": ("shared: shared-weights perplexity", "test perplexity"),
    "forecasting.py": ("DARTS: validation MAE", "test MAE"),
    "image_and_table.py": ("shared: shared-weights accuracy", "test accuracy"),
    "multilabel.py": ("DARTS: validation macro F1", "test macro F1"),
    "segmentation.py": ("DARTS: validation IoU", "test IoU"),
    "tabular_regression.py": ("DARTS: validation MAE", "test MAE"),
}
OF_TASKS = [name for name, words in METRICS.items() if len(words) == 2]


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_examples_are_run() -> None:
    names = [*ARGUMENTS, *FOR_CI_ONLY]
    assert sorted(names) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", OF_TASKS)
def test_a_task_takes_sixty_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 60


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *ARGUMENTS.items(),
        *(pytest.param(*item, marks=pytest.mark.slow) for item in FOR_CI_ONLY.items()),
    ],
)
def test_example(name: str, arguments: str, tmp_path: Path) -> None:
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library)
    output = run([str(EXAMPLES / name), *arguments.split()], tmp_path)
    for words in METRICS.get(name, ("accuracy",)):
        assert words in output
    if name == "digits_search.py":
        made = {path.name for path in (tmp_path / "out").iterdir()}
        assert made >= {"nas.db", "nas.db-artifacts", "best.svg", "best.png", "best.pt"}


@pytest.mark.slow
def test_lightning_trains_in_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    example = [str(EXAMPLES / "lightning_ddp.py"), "--trials", "2"]
    assert run([*torchrun, *example], tmp_path).count("validation MAE 0.") == 1
