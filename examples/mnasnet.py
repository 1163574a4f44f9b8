"""MnasNet (arXiv:1807.11626) at small scale: PPO trades accuracy for measured latency.

The controller chooses layers block by block; a network is rewarded by accuracy * (latency /
target) ** -0.07, its latency measured on this machine before it is trained. The best one is then
trained anew, for longer. Space, data and budget are a ten-thousandth of the paper's (2 minutes);
``PPOSampler.nasnet()`` has its controller's settings, which need thousands of trials.

    python examples/mnasnet.py --trials 40
"""

from __future__ import annotations

import click
import optuna

from optuna_nas.keys import ACCURACY_KEY, LATENCY_KEY
from optuna_nas.objectives import LatencyReward, TrainingObjective
from optuna_nas.profiling import LatencyMeter, profile
from optuna_nas.samplers import PPOSampler
from optuna_nas.spaces import MnasNetSpace
from optuna_nas.training import Recipe, evaluate, fit, load_data, seeded

SPACE = MnasNetSpace(
    widths=(8, 12, 16),
    layers=(1, 2, 2),
    strides=(1, 2, 1),
    first="ds_r1_k3_s1_c8_noskip",
    last="ir_r1_k3_s1_e3_c24",
    stem=8,
    head=64,
)
BUILD = {"bn_momentum": 0.1, "dropout": 0.0}
RECIPE = Recipe(batch_size=32, lr=0.05)


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=40, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--final-epochs", default=15, show_default=True)
@click.option("--target-ms", default=2.0, show_default=True, help="Latency of a batch of 8.")
@click.option("--hard", is_flag=True, help="Faster than the target is worth nothing.")
@click.option("--seed", default=0, show_default=True)
def main(
    trials: int, epochs: int, final_epochs: int, target_ms: float, hard: bool, seed: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=640, val_size=800, image_size=16)
    objective = TrainingObjective(
        SPACE,
        data,
        epochs=epochs,
        build=BUILD,
        recipe=RECIPE,
        value=LatencyReward(target_ms=target_ms, hard=hard),
        latency=LatencyMeter(batch_size=8, device="cpu"),
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=PPOSampler(seed=seed, space=SPACE),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
    )
    study.optimize(objective, n_trials=trials, show_progress_bar=True)

    best = study.best_trial
    latencies = sorted(trial.user_attrs[LATENCY_KEY] for trial in study.trials)
    print(f"latencies met: {latencies[0]:.2f} to {latencies[-1]:.2f} ms, target {target_ms:g} ms")
    print(f"best of {trials}: reward {best.value:.3f}, latency {best.user_attrs[LATENCY_KEY]:.2f}")
    print(f"ms, validation accuracy {best.user_attrs[ACCURACY_KEY]:.1%} after {epochs} epochs")
    architecture = SPACE.architecture(best)
    print(architecture)

    with seeded(seed):
        model = architecture.build(**objective.build)
    fit(model, data, epochs=final_epochs, recipe=RECIPE, seed=seed)
    accuracy = evaluate(model, data.test, data).metric
    counted = profile(model, data.input_size)
    print(f"trained anew, {counted.params:,} parameters: test accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()
