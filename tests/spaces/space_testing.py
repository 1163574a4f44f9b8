"""What our own spaces promise beside the public test case: they are spaces of images."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from optuna_nas.nn import ImageTooSmallError, OddSizeError
from optuna_nas.spaces import SPACES, Architecture, SearchSpace
from optuna_nas.testing import SpaceTestCase
from optuna_nas.testing._studies import new_study
from optuna_nas.testing._studies import suggested as sample

__all__ = ["IMAGES", "ImageSpaceTestCase", "new_study", "sample"]

IMAGES = {"num_classes": 5, "in_channels": 2}


class ImageSpaceTestCase(SpaceTestCase):
    """Derived classes give the fixture ``space`` and may change the numbers."""

    build: Mapping[str, Any] = IMAGES

    def check_output(self, output, space):
        super().check_output(output, space)
        assert output.shape == (2, 5)

    def test_small_images_work_or_name_the_smallest_that_do(self, space):
        model = sample(space, 1, seed=3)[0].build(**self.build)
        model.eval()
        for height, width in itertools.product((1, 2, 3, 5), (1, 6)):
            try:
                logits = model(torch.randn(1, 2, height, width))
            except ImageTooSmallError as error:
                logits = model(torch.randn(1, 2, error.minimum, error.minimum))
            except OddSizeError as error:
                heights, widths = error.working
                logits = model(torch.randn(1, 2, heights[-1], widths[-1]))
            assert logits.shape == (1, 5)

    def test_default_build_arguments(self, space):
        assert space.build_arguments["num_classes"] == 10
        assert space.build_arguments["in_channels"] == 3

    def test_unknown_build_argument(self, architectures):
        with pytest.raises(TypeError, match="does not take the build arguments.*num_classes=10"):
            architectures[0].build(num_clases=10)

    def test_json_is_read_without_a_space_for_published_spaces_only(self, space, architectures):
        text = architectures[0].to_json()
        if space.name in SPACES:
            assert Architecture.from_json(text) == architectures[0]
        else:
            with pytest.raises(ValueError, match="Give the space itself"):
                Architecture.from_json(text)

    def test_wrong_text(self, space):
        with pytest.raises(ValueError, match=r"\^|JSON"):
            space.parse("no architecture")

    @pytest.mark.parametrize("text", ["{", "[]", '{"space": "x"}'])
    def test_wrong_json(self, space, text):
        with pytest.raises(ValueError, match="JSON"):
            Architecture.from_json(text, space)

    def test_json_with_leftovers(self, space, architectures):
        data = json.loads(architectures[0].to_json())
        data["params"]["stranger"] = 1
        with pytest.raises(ValueError, match="does not ask for.*stranger"):
            Architecture.from_json(json.dumps(data), space)

    def test_more_params_must_not_redecide(self, space, architectures):
        name = next(iter(architectures[0].params))
        with pytest.raises(ValueError, match=f"`more_params` must not decide.*{name}"):
            architectures[0].enqueue(new_study(), **{name: 0})

    def test_an_architecture_of_another_prefix_is_not_ours(self, space, architectures):
        """Two spaces in one trial, of which one was enqueued."""
        other = dataclasses.replace(space, prefix="other_")
        study = new_study()
        architectures[0].enqueue(study)
        study.optimize(
            lambda trial: len(str(space.suggest(trial)) + str(other.suggest(trial))), n_trials=1
        )
        assert space.architecture(study.trials[0]) == architectures[0]
        assert len(str(architectures[0]) + str(other.architecture(study.trials[0]))) == (
            study.trials[0].value
        )

    def test_live_trial_must_be_suggested_from(self, space):
        with pytest.raises(TypeError, match=r"use space\.suggest\(trial\)"):
            space.architecture(new_study().ask())

    def test_no_trial_at_all(self, space):
        with pytest.raises(TypeError, match="`trial` must be an Optuna trial"):
            space.suggest({})
        with pytest.raises(TypeError, match="`source` must be a finished trial"):
            space.architecture("text")

    def test_prefix_must_be_an_identifier(self, space: SearchSpace):
        with pytest.raises(ValueError, match="`prefix` must be empty or a Python identifier"):
            dataclasses.replace(space, prefix="a b")
