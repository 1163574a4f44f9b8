"""The model card of a finalist: what the network is, what it was trained on, and how it did.

``card.json`` is for programs, ``README.md`` the same for people.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.attributes import (
    fields,
    integer,
    json_value,
    list_of,
    mapping,
    matching,
    number,
    text,
)
from optuna_nas._ground.words import markdown, markdown_code
from optuna_nas._version import __version__
from optuna_nas.final import _resnet
from optuna_nas.final._comparison import Finalist, as_arguments
from optuna_nas.final._json import FIGURES, decoded_file, with_metrics
from optuna_nas.profiling import InputSpec
from optuna_nas.spaces import Architecture
from optuna_nas.stores import write_atomically
from optuna_nas.training import Recipe, load_weights, task_settings

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data

__all__ = ["architecture_of", "read_card", "trained_network", "write_card"]

_CARD = "card.json"
_LIBRARIES = ("torch", "torchvision", "optuna", "numpy")

_run = fields({"seed": integer(), "failure": json_value}, FIGURES, others=json_value)
_direction = matching("maximize|minimize", '"maximize" or "minimize"')
_data = fields(
    {},
    {
        "inputs": text(),
        "in_channels": integer(1),
        "image_size": list_of(integer(1), at_least=2, at_most=2),
        "classes": list_of(text()),
        "mean": list_of(number()),
        "std": list_of(number()),
    },
    others=json_value,
)


def _data_with_inputs(value: object) -> dict[str, Any]:
    """Decode the facts of the data; older cards say by image and channels what its inputs are."""
    facts = _data(value)
    if "inputs" not in facts and {"in_channels", "image_size"} <= facts.keys():
        facts["inputs"] = "x".join(map(str, (facts["in_channels"], *facts["image_size"])))
    if "inputs" not in facts:
        raise ValueError("must have a field 'inputs', but has not")
    try:
        InputSpec.of(facts["inputs"])
    except ValueError as e:
        raise ValueError(f"must have a readable field 'inputs', but has not: {e}") from e
    return facts


_card = fields(
    {
        "name": text(),
        "origin": fields(
            {},
            {"json": text(1_000_000), "build": mapping(json_value), "network": text()},
            others=json_value,
        ),
        "data": _data_with_inputs,
        "runs": list_of(lambda run: with_metrics(_run(run))),
    },
    {"metric": fields({"name": text(), "direction": _direction})},
    others=json_value,
)


def write_card(
    finalist: Finalist, data: Data, epochs: int, recipe: Recipe, device: torch.device
) -> None:
    """Write both forms of the card into the finalist's folder."""
    card = {
        "name": finalist.name,
        "role": finalist.role,
        "origin": dict(finalist.origin),
        "params": finalist.params,
        "macs": finalist.macs,
        "data": data.facts,
        "metric": {"name": finalist.task.metric_name, "direction": finalist.task.direction},
        **task_settings(finalist.task),
        "epochs": epochs,
        "recipe": recipe.to_dict(),
        "device": device.type,
        "runs": [_told(run.seed, finalist) for run in finalist.runs],
        "versions": {"python": platform.python_version(), "optuna-nas": __version__}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
    write_atomically(finalist.folder / _CARD, json.dumps(card, indent=2).encode())
    write_atomically(finalist.folder / "README.md", _for_people(card, finalist, data).encode())


def read_card(folder: str | Path) -> dict[str, Any]:
    """Return the card of a finalist.

    Args:
        folder: ``finalist.folder``.

    Raises:
        FileNotFoundError: If there is no card.
        ValueError: If it is damaged.
    """
    path = Path(folder) / _CARD
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must be one of a finalist, with {_CARD}, but got {str(folder)!r}: give a "
            "folder that train has made, such as nas-final/trial-17."
        )
    return decoded_file(path, _card, way_out="Let train write it again, or restore a copy.")


def trained_network(
    folder: str | Path, *, seed: int | None = None, space: SearchSpace | None = None
) -> nn.Module:
    """Return a finalist's trained network, in eval mode.

    Args:
        folder: ``finalist.folder``.
        seed: Seed of the run; by default of the one with the best validation metric, the
            first where there is none.
        space: Needed for a space of your own only, which is never imported from a file.

    Raises:
        FileNotFoundError: If there is no card, or no such run.
        ValueError: If all runs failed, card or weights are damaged, or the network was made by a
            function of yours, which no file knows: make it yourself and load the weights.
    """
    card = read_card(folder)
    weights = Path(folder) / f"seed-{_seed_of(card, seed)}.pt"
    state = load_weights(weights)
    make = _maker(card["origin"], card["name"], space)
    try:
        model = make()
        model.load_state_dict(state)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise ValueError(
            f"The model card in {str(folder)!r} must tell of the network with the weights in "
            f"{weights.name}, but does not ({e}): restore a copy of both."
        ) from e
    return model.eval()


def architecture_of(
    card: Mapping[str, Any], space: SearchSpace | None = None
) -> Architecture | None:
    """Return the architecture of a card, None for a network that is no point of a space.

    Args:
        card: Card as :func:`read_card` gives it.
        space: Needed for a space of your own only.

    Raises:
        ValueError: If the architecture belongs to another space.
    """
    text = card["origin"].get("json")
    return None if text is None else Architecture.from_json(text, space)


def _maker(
    origin: Mapping[str, Any], name: str, space: SearchSpace | None
) -> Callable[[], nn.Module]:
    """Return a function that builds the network of a card."""
    if "json" in origin:
        architecture = Architecture.from_json(origin["json"], space)
        return lambda: architecture.build(**origin["build"])
    if origin.get("network") == _resnet.NAME:
        return lambda: _resnet.rebuilt(origin).make()
    raise ValueError(
        f"`folder` must hold an architecture of a space, but {name!r} was made by a function of "
        "yours: make it again, and load_state_dict(load_weights(...))."
    )


def _seed_of(card: Mapping[str, Any], seed: int | None) -> int:
    runs: dict[int, Any] = {run["seed"]: run for run in card["runs"] if not run["failure"]}
    if seed is None and runs:
        validated = [number for number in runs if "val_metric" in runs[number]]
        is_error = card.get("metric", {}).get("direction") == "minimize"
        best = min if is_error else max
        first = next(iter(runs))
        return best(validated, key=lambda number: runs[number]["val_metric"], default=first)
    if seed is None or seed not in runs:
        raise ValueError(
            f"`seed` must be one of {sorted(runs)}, the runs of {card['name']!r} that did not "
            f"fail, but got seed={seed}."
        )
    return seed


def _told(seed: int, finalist: Finalist) -> dict[str, Any]:
    (run,) = [run for run in finalist.runs if run.seed == seed]
    told: dict[str, Any] = {"seed": seed, "failure": run.failure}
    if not run.failure:
        told |= {"test_metric": run.test_metric, "seconds": run.seconds}
        if run.is_validated:
            told["val_metric"] = run.val_metric
    return told


def _for_people(card: Mapping[str, Any], finalist: Finalist, data: Data) -> str:
    origin, metric = card["origin"], markdown(str(finalist.task.metric_name))
    what = origin.get("architecture", origin.get("network", finalist.name))
    validated, sampled = finalist.val_metric, origin.get("hyperparameters")
    in_study = {"study", "trial"} <= origin.keys()
    lines = [f"# {card['name']}", "", markdown_code(what), ""]
    rows: list[tuple[str, str | None]] = [
        ("parameters", f"{card['params']:,}"),
        ("built with", _named(origin["build"]) if "build" in origin else None),
        ("multiply-adds", f"{card['macs']:,}"),
        (f"test {metric}", str(finalist.test_metric)),
        (f"validation {metric}", str(validated) if validated.count else None),
        ("chosen by", markdown(finalist.role)),
        ("study and trial", _trial(origin) if in_study else None),
        ("data", _split(data)),
        *((name, markdown(text)) for name, text in data.described.items()),
        ("epochs", str(card["epochs"])),
        ("recipe", _recipe(card["recipe"])),
        ("of its trial's recipe", None if sampled is None else _named(sampled)),
        ("seeds", ", ".join(str(run["seed"]) for run in card["runs"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in card["versions"].items())),
    ]
    told = [f"| {name} | {text} |" for name, text in rows if text is not None]
    lines += ["| | |", "|---|---|", *told, ""]
    lines += ["```python", "from optuna_nas.final import trained_network", ""]
    lines += [f'model = trained_network("{finalist.folder.name}")', "```", ""]
    return "\n".join(lines)


def _recipe(settings: Mapping[str, Any]) -> str:
    """Write the settings that differ from the defaults."""
    default = Recipe().to_dict()
    changed = {name: value for name, value in settings.items() if value != default[name]}
    return markdown_code(f"Recipe({as_arguments(changed)})").replace("|", "\\|")


def _named(arguments: Mapping[str, Any]) -> str:
    return markdown(as_arguments(arguments))


def _trial(origin: Mapping[str, Any]) -> str:
    return f"{markdown(origin['study'])}, trial {origin['trial']}"


def _split(data: Data) -> str:
    parts = {"train": data.train, "val": data.val, "test": data.test}
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in parts.items())
    seed = data.identity.get("split_seed")
    return f"{markdown(data.name)}: {sizes}" + ("" if seed is None else f"; split seed {seed}")
