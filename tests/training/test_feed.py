"""What comes to the network: all images once, augmented as the recipe says, by keyed streams."""

from __future__ import annotations

import pytest
import torch

from optuna_nas.training import ImageData, Processes, Recipe, load_data
from optuna_nas.training.data._feed import Batch
from optuna_nas.training.data.images._augment import Normaliser
from optuna_nas.training.data.images._feed import ImageFeed

CPU = torch.device("cpu")
ALL = Recipe(crop_padding=1, flip=True, cutout=2, policy="randaugment", batch_size=32)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=100, val_size=50)


def _epoch(data: ImageData, recipe: Recipe, epoch: int = 1, *, seed: int = 0) -> list[Batch]:
    return list(ImageFeed(data, recipe, seed, CPU, Processes()).epoch(epoch))


def _images(batches: list[Batch]) -> torch.Tensor:
    return torch.cat([batch.inputs for batch in batches])


def test_without_augmentation_every_image_comes_once_normalised(data: ImageData) -> None:
    batches = _epoch(data, Recipe(batch_size=32))
    whole = Normaliser(data.mean, data.std, CPU)(data.train.images)
    assert [len(batch) for batch in batches] == [32, 32, 32, 4]
    assert [batch.whole for batch in batches] == [32, 32, 32, 4]
    assert sorted(map(tuple, _images(batches).flatten(1).tolist())) == sorted(
        map(tuple, whole.flatten(1).tolist())
    )
    assert not torch.equal(_images(batches), whole)


def test_a_feed_is_a_function_of_seed_and_epoch(data: ImageData) -> None:
    torch.manual_seed(1)
    first = _images(_epoch(data, ALL))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(_images(_epoch(data, ALL)), first)
    assert not torch.equal(_images(_epoch(data, ALL, 2)), first)
    assert not torch.equal(_images(_epoch(data, ALL, seed=1)), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(policy="randaugment"),
        Recipe(policy="autoaugment_svhn"),
        Recipe(resized_crop=0.2),
        Recipe(crop_padding=1),
        Recipe(flip=True),
        Recipe(cutout=2),
    ],
)
def test_each_augmentation_changes_images_and_keeps_their_shape(
    recipe: Recipe, data: ImageData
) -> None:
    plain, changed = _images(_epoch(data, Recipe())), _images(_epoch(data, recipe))
    assert changed.shape == plain.shape
    assert changed.dtype == torch.float32
    assert ((changed != plain).flatten(1).any(1)).float().mean() > 0.3


def test_what_is_cut_out_has_the_mean_colour(data: ImageData) -> None:
    images = _images(_epoch(data, Recipe(cutout=4)))
    normalised_black = Normaliser(data.mean, data.std, CPU)(torch.zeros(1, 1, 1, 1)).item()
    assert ((images == 0).flatten(1).any(1)).all()
    assert normalised_black != 0


def test_batches_are_dealt_out_to_processes(data: ImageData) -> None:
    recipe = Recipe(batch_size=31)  # 31, 31, 31, 7
    whole = _epoch(data, recipe)
    parts = [list(ImageFeed(data, recipe, 0, CPU, Processes(rank, 2)).epoch(1)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        own = [part[step] for part in parts]
        assert [part.whole for part in own] == [batch.whole] * 2
        assert torch.equal(own[0].inputs, batch.inputs[0::2])
        assert torch.equal(own[1].target, batch.target[1::2])


def test_processes_augment_with_streams_of_their_own(data: ImageData) -> None:
    recipe = Recipe(batch_size=100, crop_padding=3)
    single = data.train.take(torch.zeros(100, dtype=torch.int64))
    same = ImageData(**{**vars(data), "train": single})
    images = [
        next(ImageFeed(same, recipe, 0, CPU, Processes(rank, 2)).epoch(1)).inputs
        for rank in (0, 1)
    ]
    assert not torch.equal(images[0], images[1])


def test_every_process_gets_two_images_of_every_batch(data: ImageData) -> None:
    feed = ImageFeed(
        data, Recipe(batch_size=33), 0, CPU, Processes(0, 2)
    )  # 33, 33, 33, and 1 left
    assert (feed.steps, len(list(feed.epoch(1)))) == (3, 3)
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 2 for each of 3 proc"):
        ImageFeed(data, Recipe(batch_size=5), 0, CPU, Processes(0, 3))
    with pytest.raises(ValueError, match=r"`data.train` must have at least 102 images, but has"):
        ImageFeed(data, Recipe(batch_size=200), 0, CPU, Processes(0, 51))
