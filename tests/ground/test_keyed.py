"""Keyed random numbers: they follow from their keys, and never change."""

from __future__ import annotations

from collections import Counter

import pytest

from optuna_nas._ground.keyed import KeyedGenerator, derived_seed, mixed_seed, trial_seed


def test_draws_are_keyed() -> None:
    rng = KeyedGenerator(7, 3)
    assert rng.indices("op", 5, 4) == KeyedGenerator(7, 3).indices("op", 5, 4)
    others = [KeyedGenerator(8, 3), KeyedGenerator(7, 4), KeyedGenerator(7, 3, 1)]
    others.append(KeyedGenerator(7, 3, stream=1))
    for other in others:
        assert rng.indices("op", 1000, 4) != other.indices("op", 1000, 4)
    assert rng.indices("op", 1000, 4) != rng.indices("input", 1000, 4)


def test_draws_are_pinned() -> None:
    """A change here would break the promise that a restarted search goes on as before.

    The numbers are NumPy's ``SeedSequence([1, 2, crc32(key), attempt])`` words, scaled; made with
    NumPy 2.4.
    """
    rng = KeyedGenerator(1, 2)
    assert rng.indices("op", 1000, 4) == [209, 664, 410, 73]
    assert KeyedGenerator(1, 2, 3, 1).indices("op", 1000, 4) == [147, 629, 905, 529]
    assert rng.index("x", 5) == 3
    assert rng.random("x") == 0.6613262305036187
    assert rng.permutation("x", 6) == [4, 2, 3, 1, 0, 5]
    frozen = rng.random_state("level").random_sample(2).tolist()
    assert frozen == [0.43380528432386967, 0.23056262663032145]


def test_draws_are_uniform() -> None:
    counts = Counter(KeyedGenerator(0, number).index("op", 5) for number in range(5000))
    # 99.9 % of chi-squared with 4 degrees of freedom: 18.5
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 18.5
    shuffles = Counter(tuple(KeyedGenerator(0, n).permutation("x", 3)) for n in range(6000))
    assert len(shuffles) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in shuffles.values()) < 20.5


def test_a_choice_is_the_option_of_the_index() -> None:
    rng = KeyedGenerator(0, 5)
    assert rng.choice("op", "abcde") == "abcde"[rng.index("op", 5)]
    with pytest.raises(ValueError, match=r"`options` must not be empty, but rng.choice\('op'"):
        rng.choice("op", [])


def test_a_numpy_generator_is_keyed() -> None:
    drawn = [KeyedGenerator(0, n).generator("noise").normal() for n in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != KeyedGenerator(0, 0).generator("other").normal()


def test_derived_seeds_differ_and_are_pinned() -> None:
    keys = [(s, e, p) for s in (-1, 0, 1, 2**40) for e in (1, 2) for p in ("order", "network")]
    seeds = {derived_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
    # A changed number means that every old run would be trained in another order. NumPy 2.x.
    assert derived_seed(0, 1, "order") == 5413975881900622117


def test_seeds_of_trials_are_pinned() -> None:
    """With other ones, a study would go on with other weights than it began with."""
    seeds = [trial_seed(0, 0), trial_seed(0, 1), trial_seed(-3, 12)]
    assert seeds == [553867998499904076, 303242687582086650, 512754192932279486]


def test_mixed_seeds_are_pinned() -> None:
    """With other ones, a controller would begin with other weights."""
    assert mixed_seed(7, "('choices', ('a', 'b'), ('str', 'str'))") == 20637514484
    assert mixed_seed(2**62 + 1, "x") < 2**63
