"""Whatever stands in a storage or a text is read, or refused by one ``ValueError`` of ours."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import fields
from typing import Any

import optuna
import pytest
from optuna.trial import create_trial

from optuna_nas._ground.json import parse_json
from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.nn import NetworkTooLargeError
from optuna_nas.nn.networks import built_within_memory
from optuna_nas.spaces import (
    SPACES,
    Architecture,
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    MnasNetSpace,
    NASBench201Space,
    NASNetSpace,
    NASRLSpace,
    PNASSpace,
    function_space,
    published,
    sample_architectures,
    space_from_settings,
)

HUGE = 10**9
SECONDS = 10.0  # a machine may be busy; what is not bounded takes minutes, or all memory
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 1.5, HUGE, 10**399, -(10**399), 1e308, "x", "5", "\ud800", ""),
    *([], {}, [[]], [{}], [None], [1, HUGE], [1, 1], [1, 2], ["a", []], [True, 2], [0.5, 10**399]),
    *([[[[[[[[1]]]]]]]], {"normal": [2], "reduce": 3}, [[2], [2, "3"]], [3] * 5000),
)
OURS = r"`\w+` must|`\w+`, `layers`|`\w+` needs|does not take the settings|must be JSON"


def read(settings: dict[str, Any], name: str) -> Any:
    cls = SPACES[name]
    return space_from_settings({"space": name, "version": cls.version, "settings": settings})


@pytest.mark.parametrize("name", SPACES)
def test_any_setting_is_taken_or_refused(name):
    begun = time.perf_counter()
    for field in fields(SPACES[name]):
        for value in ODD:
            with contextlib.suppress(Exception):  # looked at below
                space = read({field.name: value}, name)
                assert space.num_architectures > 0
                assert space == space_from_settings(json.loads(json.dumps(space.identity)))
                sample_architectures(space, 1)
                continue
            with pytest.raises(ValueError, match=OURS) as caught:
                read({field.name: value}, name)
            assert len(str(caught.value)) < 1500
    assert time.perf_counter() - begun < 10 * SECONDS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NASRLSpace(block_layers=HUGE), "`block_layers` must be at most 66, but got"),
        (lambda: NASRLSpace(block_layers=True), "`block_layers` must be an integer"),
        (lambda: NASRLSpace(num_layers=99, block_layers=11), "`block_layers` must be at most 10"),
        (lambda: NASRLSpace(pool_after=(1, HUGE)), "`pool_after` must be .* of at most 1000"),
        (lambda: NASRLSpace(filters=(24, HUGE)), "`filters` must be .* of at most 65536"),
        (lambda: NASRLSpace(filters=(24, True)), "`filters` must be different positive integers"),
        (lambda: NASRLSpace(strides=(1, HUGE)), "`strides` must be .* of at most 100"),
        (
            lambda: NASRLSpace(num_layers=(1, 2), depth_schedule=(1, 2)),
            r"`depth_schedule` must be \(start >= 1",
        ),
        (lambda: NASRLSpace(num_layers=True), "`num_layers` must be an int or a range"),
        (lambda: MnasNetSpace(stem=10**12), "`stem` must be at most 65536, but got stem=10{12}"),
        (lambda: MnasNetSpace(head=32.0), "`head` must be an integer, but got head=32.0"),
        (lambda: MnasNetSpace(widths=(HUGE,) * 5), "`widths` must be at most 65536"),
        (lambda: MnasNetSpace(layers=(HUGE,) * 5), "all `layers` together at most 1000"),
        (lambda: MnasNetSpace(filters=(float("nan"),)), "`filters` must be positive multipliers"),
        (lambda: MnasNetSpace(filters=(500.0,)), "`filters` must give .* of at most 65536"),
        (lambda: MnasNetSpace(first=f"ds_r{HUGE}_k3_s1_c16"), r"number of layers, in \[1, 1000\]"),
        (lambda: MnasNetSpace(last=f"ds_r1_k3_s1_c{HUGE}"), r"channels .* in \[1, 65536\], but"),
        (lambda: DARTSSpace(keep_none="no"), "`keep_none` must be True or False, but got"),
        (lambda: DARTSSpace(num_nodes=HUGE), r"`num_nodes` must be an int in \[1, 20\]"),
        (lambda: PNASSpace(num_blocks=(1, HUGE)), "`num_blocks` must be an int or a range"),
        (lambda: NASNetSpace(concat={"normal": [[]], "reduce": [2]}), "`concat` must be"),
        (lambda: ENASMacroSpace(num_layers=(1, HUGE)), r"within \[1, 99\], but got"),
        (lambda: DARTSSpace(prefix=5), "`prefix` must be empty or a Python identifier"),
    ],
)
def test_sizes_are_bounded(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Build arguments


@pytest.mark.parametrize(
    ("architecture", "arguments", "message"),
    [
        (published.DARTS_V2, {"cells": HUGE}, "`cells` must be at most 1000, but got"),
        (published.DARTS_V2, {"channels": HUGE}, "`channels` must be at most 65536, but got"),
        (published.DARTS_V2, {"num_classes": HUGE}, "`num_classes` must be at most 1000000"),
        (published.DARTS_V2, {"in_channels": HUGE}, "`in_channels` must be at most 65536"),
        (published.DARTS_V2, {"cells": True}, "`cells` must be an integer, but got cells=True"),
        (published.DARTS_V2, {"channels": 36.0}, "`channels` must be an integer, but got"),
        (published.DARTS_V2, {"channels": "36"}, "`channels` must be an integer, but got"),
        (published.DARTS_V2, {"auxiliary": "no"}, "`auxiliary` must be True or False, but got"),
        (published.DARTS_V2, {"drop_path": float("nan")}, r"`drop_path` must lie in \[0, 1\]"),
        (published.DARTS_V2, {"stem": ["cifar"]}, "`stem` must be one of"),
        (published.NASNET_A, {"dropout": "0.5"}, r"`dropout` must lie in \[0, 1\], but got"),
        (published.NASNET_A, {"assembly": []}, "`assembly` must be one of"),
        (published.NASBENCH201_RESNET, {"cells": HUGE}, "`cells` must be at most 1000, but got"),
        (published.ENAS_MACRO, {"channels": HUGE}, "`channels` must be at most 65536, but got"),
        (published.ENAS_MACRO, {"dropout": 2}, r"`dropout` must lie in \[0, 1\], but got"),
        (published.NAS_RL_V1, {"extra_filters": HUGE}, "`extra_filters` must be at most 65536"),
        (published.MNASNET_A1, {"width": HUGE}, "`width` must be .* and at most 1000, but got"),
        (published.MNASNET_A1, {"width": float("nan")}, "`width` must be a finite number above 0"),
        (published.MNASNET_A1, {"width": "1"}, "`width` must be .*, but got width='1'"),
        (published.MNASNET_A1, {"dropout": -0.5}, r"`dropout` must lie in \[0, 1\], but got"),
        (published.MNASNET_A1, {"bn_momentum": 5}, r"`bn_momentum` must lie in \[0, 1\]"),
    ],
)
def test_build_arguments_are_bounded(architecture, arguments, message):
    begun = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        architecture.build(**arguments)
    assert time.perf_counter() - begun < SECONDS


@pytest.mark.parametrize(
    ("space", "arguments", "message"),
    [
        (DARTSSpace(), {"cells": HUGE}, "`cells` must be at most 1000, but got"),
        (DARTSSpace(), {"channels": HUGE}, "`channels` must be at most 65536, but got"),
        (DARTSSpace(), {"partial": 2.0}, "`partial` must divide the channels of a cell"),
        (DARTSSpace(), {"edge_normalisation": 1}, "`edge_normalisation` must be True or False"),
        (ENASMicroSpace(), {"channels": HUGE}, "`channels` must be at most 65536, but got"),
        (ENASMicroSpace(), {"auxiliary": 0}, "`auxiliary` must be True or False, but got"),
        (ENASMacroSpace(), {"channels": HUGE}, "`channels` must be at most 65536, but got"),
        (ENASMacroSpace(), {"dropout": "x"}, r"`dropout` must lie in \[0, 1\], but got"),
        (NASBench201Space(), {"affine": None}, "`affine` must be True or False, but got"),
    ],
)
def test_supernet_arguments_are_bounded(space, arguments, message):
    with pytest.raises(ValueError, match=message):
        space.supernet(**arguments)


def test_a_network_that_no_memory_holds_is_refused_before_it_is_allocated():
    begun = time.perf_counter()
    with pytest.raises(NetworkTooLargeError, match=r"DARTSSpace.* has more weights than the mem"):
        published.DARTS_V2.build(channels=2**16, cells=3)
    with pytest.raises(NetworkTooLargeError, match="The supernet of DARTSSpace.* has more weigh"):
        DARTSSpace().supernet(channels=2**15, cells=3)
    assert time.perf_counter() - begun < 5 * SECONDS


def test_a_large_network_that_fits_is_the_same(monkeypatch):
    """It is built twice: the first time it is stopped, and counted."""
    import torch

    from optuna_nas.nn.networks import _allocation

    def weights() -> torch.Tensor:
        torch.manual_seed(3)
        network = published.NASBENCH201_RESNET.build(cells=1, channels=4)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    usual = weights()
    monkeypatch.setattr(_allocation, "_UNQUESTIONED", 1000)
    assert torch.equal(weights(), usual)
    monkeypatch.setattr(_allocation, "_memory_of_machine", lambda: 5000)
    with pytest.raises(NetworkTooLargeError, match="0.0 GiB"):
        weights()


def test_a_mistake_while_building_stays_itself():
    with pytest.raises(KeyError, match="mine"):
        built_within_memory(lambda: {}["mine"], lambda: "it")


# JSON


def identity(**changes: Any) -> str:
    return json.dumps(
        {**NASBench201Space().identity, "params": published.NASBENCH201_RESNET.params, **changes}
    )


BAD_JSON = {
    "nothing": "",
    "brackets": "[" * 100_000,
    "deep": "[" * 500 + "]" * 500,
    "deep objects": '{"a":' * 500 + "1" + "}" * 500,
    "a list": "[1, 2]",
    "a number": "5",
    "null": "null",
    "not a number": identity(version=float("nan")),
    "infinite": identity(version=1).replace('"version": 1', '"version": 1e999'),
    "digits": identity(version=1).replace('"version": 1', '"version": ' + "9" * 5000),
    "many digits": identity(version=1).replace('"version": 1', '"version": ' + "9" * 300),
    "twice": identity().replace('"space"', '"version": 1, "space"'),
    "half a character": identity(space="\ud800"),
    "half a character in settings": identity(settings={"prefix": "\udfff"}),
    "long": identity(note="x" * 2**20),
    "space": identity(space=["nasbench201"]),
    "no settings": identity(settings=None),
    "settings": identity(settings=[1]),
    "nested settings": identity(settings={"prefix": [[[[[[["a"]]]]]]]}),
    "params": identity(params=[["op_1_from_0", "none"]]),
    "values": identity(params={"op_1_from_0": [1, {}]}),
    "no params": json.dumps(NASBench201Space().identity),
    "foreign": identity(space="os.system"),
}


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_is_no_architecture(text, given):
    begun = time.perf_counter()
    with pytest.raises(
        ValueError, match=r"JSON|settings|`\w+` must be|belongs to another"
    ) as caught:
        Architecture.from_json(text, NASBench201Space() if given else None)
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 2000
    str(caught.value).encode()
    assert time.perf_counter() - begun < SECONDS


@pytest.mark.parametrize("brackets", ["[]", ('{"a": ', "}")])
def test_json_is_read_to_a_depth(brackets):
    left, right = brackets
    parse_json(left * 49 + "[]" + right * 49, "It")
    for depth in (50, 400, 100_000):
        with pytest.raises(ValueError, match="It is not JSON .* nested more than 50 deep"):
            parse_json(left * depth + "[]" + right * depth, "It")


@pytest.mark.parametrize("text", [None, 5, b"{}", ["{}"]])
def test_what_is_no_text(text):
    with pytest.raises(ValueError, match="The text is not JSON"):
        Architecture.from_json(text)
    with pytest.raises(ValueError, match="`text` must be a text of at most"):
        NASBench201Space().parse(text)


@pytest.mark.parametrize("text", [*BAD_JSON.values(), 5, None, {"space": "darts"}])
def test_a_bad_note_is_named(text):
    trial = create_trial(value=1.0, user_attrs={ARCHITECTURE_KEY: text})
    space = NASBench201Space()
    with pytest.raises(ValueError, match=r"`optuna_nas:architecture`|of trial|must be"):
        space.architecture(trial)


def test_a_note_that_is_no_json_is_named_while_suggesting():
    study = optuna.create_study()
    study.enqueue_trial({}, user_attrs={ARCHITECTURE_KEY: "[" * 100_000})
    message = r"The attribute `optuna_nas:architecture` of trial 0 is not JSON .* 50 deep.*params"
    with pytest.raises(ValueError, match=message):
        NASBench201Space().suggest(study.ask())


@pytest.mark.parametrize(
    "identity", [None, {}, {"space": 5}, {"space": "darts", "version": 1, "settings": "x"}, []]
)
def test_an_identity_of_another_form(identity):
    with pytest.raises(ValueError, match="`identity` must be JSON with space, version, settings"):
        space_from_settings(identity)


# Notations


@function_space
def one_layer(trial, num_classes=10, in_channels=3):
    from torch import nn

    return nn.Conv2d(in_channels, trial.suggest_int("width", 1, 4), 1)


NOTATIONS = {
    "NAS-Bench-201": published.NASBENCH201_RESNET,
    "NAS-RL": published.NAS_RL_V1,
    "NASNet": published.NASNET_A,
    "PNAS": published.PNASNET_5,
    "DARTS": published.DARTS_V2,
    "ENAS": published.ENAS_MICRO,
    "ENAS macro": published.ENAS_MACRO,
    "MnasNet": published.MNASNET_A1,
    "function": one_layer.architecture({"width": 2}),
}


def bad_texts(text: str) -> dict[str, str]:
    digits = re.sub(r"\d+", "9" * 5000, text, count=1)
    return {
        "long": text * (2**20 // len(text) + 1),
        "repeated": text + (" | " + text) * 2000,
        "digits": digits,
        "all digits": re.sub(r"\d+", "9" * 5000, text),
        "huge": re.sub(r"\d+", str(10**15), text),
        "brackets": "(" * 100_000,
        "call": "Genotype(" * 5000,
        "operators": f"Genotype(normal=[('sep_conv_3x3', {'+'.join('1' * 900)})])",
        "hexadecimal": text.replace("0", "0x" + "f" * 6000, 1) + "0" * 5000,
        "nothing": "\0",
        "half a character": text + "\ud800",
        "one word": "x" * 10**6,
    }


@pytest.mark.parametrize("name", NOTATIONS)
def test_texts_that_are_no_architecture(name):
    architecture = NOTATIONS[name]
    for kind, text in bad_texts(str(architecture)).items():
        begun = time.perf_counter()
        with pytest.raises(ValueError, match=r"\(at |`\w+` must be|JSON") as caught:
            architecture.space.parse(text)
        assert "sys.set_int_max_str_digits" not in str(caught.value), kind
        assert len(str(caught.value)) < 4000, kind
        assert time.perf_counter() - begun < SECONDS, kind


@pytest.mark.parametrize("shown", ["0x" + "f" * 6000, "+".join("1" * 900), "-" * 900 + "1"])
def test_states_of_a_genotype_that_are_no_numbers_to_write(shown):
    text = str(published.DARTS_V2).replace("('sep_conv_3x3', 0)", f"('sep_conv_3x3', {shown})", 1)
    with pytest.raises(
        ValueError, match=r"Expected a state in \[0, 1\], but got|no. a Python expr"
    ):
        published.DARTS_V2.space.parse(text)
