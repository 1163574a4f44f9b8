"""Spaces by name, published architectures, and what importing costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from optuna_nas import spaces
from optuna_nas.spaces import (
    SPACES,
    Architecture,
    CellSpace,
    FunctionSpace,
    MnasNetSpace,
    NASBench201Space,
    NASRLSpace,
    SearchSpace,
    published,
    space_from_settings,
)
from optuna_nas.spaces._catalogue import spaces_by_name

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "space",
    [
        NASBench201Space(),
        NASBench201Space(prefix="cell_"),
        NASRLSpace(num_layers=(6, 22), strides=(1, 2, 3), depth_schedule=(6, 2, 1600)),
    ],
)
def test_identity_round_trip(space):
    stored = json.loads(json.dumps(space.identity))
    assert space_from_settings(stored) == space
    assert SPACES[space.name] is type(space)


def test_settings_that_are_left_out_have_their_defaults():
    stored = {"space": "nas_rl", "version": 1, "settings": {"num_layers": [6, 9]}}
    assert space_from_settings(stored) == NASRLSpace(num_layers=(6, 9))
    space = NASRLSpace(num_layers=1)
    text = json.dumps(
        {
            "space": "nas_rl",
            "version": 1,
            "settings": {"num_layers": 1},
            "params": space.parse("3x3@36").params,
        }
    )
    assert Architecture.from_json(text, space) == Architecture.from_json(text)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"space": "os:system", "version": 1, "settings": {}}, "never imported from a name"),
        ({"space": "nas_rl", "version": 2, "settings": {}}, "have version 2.*reads version 1"),
        ({"space": "nas_rl", "version": 1, "settings": {"x": 1}}, "does not take the settings"),
    ],
)
def test_unknown_spaces(stored, message):
    with pytest.raises(ValueError, match=message):
        space_from_settings(stored)


def test_another_version_is_named():
    data = json.loads(published.NASBENCH201_RESNET.to_json()) | {"version": 9}
    with pytest.raises(ValueError, match="version=1 here, version=9 there"):
        Architecture.from_json(json.dumps(data), NASBench201Space())


def test_the_catalogue_holds_what_the_package_exports():
    """A space is added to the face alone."""
    assert {*SPACES.values()} == {
        made
        for made in (getattr(spaces, name) for name in spaces.__all__)
        if isinstance(made, type) and issubclass(made, SearchSpace)
    } - {SearchSpace, CellSpace, FunctionSpace}
    assert len(SPACES) == len({space.name for space in SPACES.values()})
    assert all(SPACES[name]().name == name for name in SPACES)
    assert spaces_by_name([MnasNetSpace, "text", 3, list, CellSpace, SearchSpace]) == {
        "mnasnet": MnasNetSpace
    }


def test_two_spaces_of_one_name_are_refused():
    class Mine(MnasNetSpace):
        name = "darts"

    with pytest.raises(ValueError, match="DARTSSpace and Mine are both called 'darts'"):
        spaces_by_name([spaces.DARTSSpace, Mine])


def test_published_are_points_of_their_own_spaces():
    for name in published.__all__:
        architecture = getattr(published, name)
        assert architecture.space.architecture(architecture.params) == architecture
        assert Architecture.from_json(architecture.to_json()) == architecture


def run_python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_importing_and_decoding_do_not_import_torch():
    run_python(
        "import sys\n"
        "from optuna_nas.spaces import NASBench201Space, published\n"
        "published.NAS_RL_V1.digest, str(published.NASBENCH201_RESNET)\n"
        "published.NASNET_A.graph(), published.DARTS_V2.digest\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'matplotlib' not in sys.modules\n"
    )


def test_the_link_at_the_root_makes_no_second_copy():
    run_python(
        "import spaces, optuna_nas.spaces as real\n"
        "from spaces import NASBench201Space, published\n"
        "assert NASBench201Space is real.NASBench201Space\n"
        "assert published.NAS_RL_V1 is real.published.NAS_RL_V1\n"
    )
