"""Maps that are made again, and narrow indices: less is kept, nothing else changes."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from kept_bytes import kept_bytes
from torch import nn

from optuna_nas.nn.supernets._kept import _Again, can_be_made_again, made_again, small_indices

MAP = 2 * 4 * 16 * 16  # elements


def parts() -> tuple[nn.BatchNorm2d, nn.Conv2d, torch.Tensor]:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4, affine=False).double()
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False).double()
    return norm, conv, torch.randn(2, 4, 16, 16, dtype=torch.float64, requires_grad=True)


def again(norm: nn.BatchNorm2d, conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    with made_again(norm, x) as active:
        return conv(active)


def kept_whole(norm: nn.BatchNorm2d, conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    return conv(norm(x).relu_())


def test_derivatives_are_the_same_to_the_last_bit():
    found = []
    for forward in (again, kept_whole):
        norm, conv, x = parts()
        out = forward(norm, conv, x)
        first = torch.autograd.grad(out.pow(3).sum(), [x, conv.weight], create_graph=True)
        second = torch.autograd.grad(sum(g.sin().sum() for g in first), [x, conv.weight])
        found.append([out, *first, *second, norm.running_mean, norm.num_batches_tracked])
    for ours, plain in zip(*found, strict=True):
        assert torch.equal(ours, plain)
    assert found[0][-1] == 1


def test_the_map_is_not_kept():
    sizes = []
    for forward in (again, kept_whole):
        norm, conv, x = parts()
        sizes.append(kept_bytes(lambda: forward(norm, conv, x)) // 8)  # noqa: B023
    assert 0.9 * MAP < sizes[1] - sizes[0] < 1.1 * MAP


def test_the_map_is_made_once_for_both_and_then_forgotten(monkeypatch):
    made = []
    read = _Again.read

    def noted(self):
        found = read(self)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(_Again, "read", noted)
    norm, conv, x = parts()
    out = again(norm, conv, x)
    assert not made
    out.square().sum().backward(retain_graph=True)
    assert len(made) == 2
    gc.collect()
    assert [ref() for ref in made] == [None, None]
    out.square().sum().backward()  # the graph was still there
    assert len(made) == 4


def test_what_cannot_be_made_again():
    norm, conv, x = parts()
    assert can_be_made_again(norm, conv, x)
    assert not can_be_made_again(nn.BatchNorm2d(4), conv, x)  # its weights learn
    assert not can_be_made_again(norm, nn.ReLU(), x)
    with torch.autocast("cpu"):  # the backward pass would see other types
        assert not can_be_made_again(norm, conv, x)
    with torch.no_grad():
        assert not can_be_made_again(norm, conv, x)
    assert not can_be_made_again(
        norm.eval(), conv, x
    )  # running statistics may have changed by then
    norm.train()
    conv.requires_grad_(False)  # keeps no map anyway
    assert not can_be_made_again(norm, conv, x)


def test_a_network_on_the_meta_device():
    norm, conv, x = parts()
    norm, conv, x = norm.to("meta"), conv.to("meta"), x.to("meta").requires_grad_()
    again(norm, conv, x.detach().requires_grad_()).sum().backward()
    assert conv.weight.grad.shape == conv.weight.shape


@pytest.mark.parametrize("side", [16, 200])
def test_indices_of_maxima(side):
    pool = nn.MaxPool2d(3, 1, 1)
    x = torch.randn(1, 2, side, side, requires_grad=True)

    def narrow() -> torch.Tensor:
        with small_indices(x):
            return pool(x)

    pixels = x.numel()
    saved = kept_bytes(lambda: pool(x)) - kept_bytes(narrow)
    assert saved == (6 * pixels if side == 16 else 0)  # from 8 bytes to 2
    found, expected = (
        torch.autograd.grad(f().square().sum(), x)[0] for f in (narrow, lambda: pool(x))
    )
    assert torch.equal(found, expected)
