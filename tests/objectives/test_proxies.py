"""Each proxy against its definition, computed in another way."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from optuna_nas.nn import make_op
from optuna_nas.objectives import proxies
from optuna_nas.spaces import DARTSSpace, NASBench201Space, published

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 4


def _net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(45, 4),
    )


def test_naswot_is_the_determinant_of_hamming_agreements() -> None:
    model = _net().train()
    x, codes = IMAGES, []
    for layer in copy.deepcopy(model):
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            codes.append((x > 0).flatten(1))
    code = torch.cat(codes, dim=1).numpy()
    activations = code.shape[1]
    kernel = np.zeros((6, 6))
    for i, j in itertools.product(range(6), repeat=2):
        hamming = sum(a != b for a, b in zip(code[i], code[j], strict=True))
        kernel[i, j] = activations - hamming
    expected = math.log(abs(np.linalg.det(kernel)))
    assert proxies.naswot(model, IMAGES, LABELS) == pytest.approx(expected, rel=1e-9)


def test_naswot_sees_functions_and_changes_in_place() -> None:
    class Functions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = _net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = functional.relu(self.layers[1](self.layers[0](x)), inplace=True)
            return self.layers[6](self.layers[3](x).relu().flatten(1))  # type: ignore[no-any-return]

    assert proxies.naswot(Functions(), IMAGES, LABELS) == proxies.naswot(_net(), IMAGES, LABELS)


def test_naswot_needs_activations() -> None:
    with pytest.raises(ValueError, match="Sequential ran none: take another proxy"):
        proxies.naswot(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), IMAGES, LABELS)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_synflow_of_a_linear_network_is_the_sum_over_its_paths(depth: int) -> None:
    torch.manual_seed(depth)
    widths = [3, 4, 2, 5, 2][: depth + 1]
    layers = [nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(widths)]
    paths = 0.0
    for path in itertools.product(*(range(width) for width in widths)):
        product = 1.0
        for layer, (a, b) in zip(layers, itertools.pairwise(path), strict=True):
            product *= abs(layer.weight[b, a].item())
        paths += product
    score = proxies.synflow(nn.Sequential(*layers), torch.zeros(2, 3), LABELS)
    assert score == pytest.approx(depth * paths, rel=1e-9)


def test_synflow_leaves_norms_out_and_data_alone() -> None:
    model = _net()
    without = nn.Sequential(*(layer for layer in model if not isinstance(layer, nn.BatchNorm2d)))
    assert proxies.synflow(model, IMAGES, LABELS) == proxies.synflow(without, -IMAGES, LABELS)


@pytest.mark.parametrize("norm", [nn.SyncBatchNorm, nn.BatchNorm2d])
def test_synflow_leaves_batch_norms_of_every_kind_out(norm: Callable[[int], nn.Module]) -> None:
    first, _, *rest = _net()
    normed = nn.Sequential(first, norm(4), *rest)
    plain = proxies.synflow(nn.Sequential(first, *rest), IMAGES, LABELS)
    assert proxies.synflow(normed, IMAGES, LABELS) == plain


def _by_hand(model: nn.Module) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    model = copy.deepcopy(model).train()
    functional.cross_entropy(model(IMAGES), LABELS).backward()
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return weights, [weight.grad for weight in weights if weight.grad is not None]


def test_snip_is_weight_times_gradient() -> None:
    weights, gradients = _by_hand(_net())
    expected = sum(
        float((w * g).abs().sum().detach()) for w, g in zip(weights, gradients, strict=True)
    )
    assert proxies.snip(_net(), IMAGES, LABELS) == pytest.approx(expected, rel=1e-5)


def test_snip_tells_what_leaving_a_weight_out_changes() -> None:
    """For a loss that is linear in a weight the product is the change itself."""
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(2) * 1e-3)
    images, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    before = functional.cross_entropy(model(images), labels).item()
    change = math.log(2) - before  # without the weight both logits are 0
    assert proxies.snip(model, images, labels) == pytest.approx(change, rel=1e-2)


def test_grad_norm_is_the_sum_of_the_layers_norms() -> None:
    _, gradients = _by_hand(_net())
    expected = sum(float(gradient.norm()) for gradient in gradients)
    assert proxies.grad_norm(_net(), IMAGES, LABELS) == pytest.approx(expected, rel=1e-5)


def test_jacov_by_numpy() -> None:
    model = _net()
    inputs = IMAGES.clone().requires_grad_()
    copy.deepcopy(model)(inputs).sum().backward()
    assert inputs.grad is not None
    values = np.linalg.eigvalsh(np.corrcoef(inputs.grad.flatten(1).numpy().astype(float)))
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert proxies.jacov(model, IMAGES, LABELS) == pytest.approx(expected, rel=1e-6)


def test_jacov_of_independent_and_of_equal_images() -> None:
    class Picks(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.width = width

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.zeros_like(x.flatten(1))
            if self.width:  # each image by pixels of its own
                mask.copy_(torch.kron(torch.eye(6), torch.ones(1, self.width)))
            return (x.flatten(1) * mask).sum(1, keepdim=True).expand(-1, 4)

    spread = proxies.jacov(Picks(32), IMAGES, LABELS)
    blind = proxies.jacov(Picks(0), IMAGES, LABELS)
    # Correlation -1/5 for all pairs: eigenvalues 0 and, five times, 6/5.
    of = lambda v: math.log(v + 1e-5) + 1 / (v + 1e-5)  # noqa: E731
    assert spread == pytest.approx(-of(0) - 5 * of(1.2), rel=1e-6)
    assert blind == pytest.approx(-5 * of(0) - of(6), rel=1e-6)


def test_sizes() -> None:
    model = _net()
    assert proxies.params(model, IMAGES, LABELS) == sum(p.numel() for p in model.parameters())
    macs = 4 * 27 * 64 + 5 * 36 * 9 + 45 * 4
    assert proxies.flops(model, IMAGES, LABELS) == 2 * macs


@pytest.mark.parametrize("name", proxies.PROXIES)
def test_the_network_stays_as_it_was(name: str) -> None:
    model = published.NASBENCH201_RESNET.build(num_classes=4, cells=1, channels=4)
    model.eval()
    before = copy.deepcopy(model.state_dict())
    random_state = torch.get_rng_state()
    first = proxies.PROXIES[name](model, IMAGES, LABELS)
    assert math.isfinite(first)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    with torch.no_grad():
        assert proxies.PROXIES[name](model, IMAGES, LABELS) == first


@pytest.mark.parametrize("name", proxies.PROXIES)
def test_every_kind_of_network_has_a_score(name: str) -> None:
    """Auxiliary heads and drop path, layers that are finished when they run, blind networks."""
    drawn: list[Callable[[], nn.Module]] = [
        lambda: (
            DARTSSpace()
            .parse(str(published.DARTS_V2))
            .build(num_classes=4, cells=3, channels=4, auxiliary=True, drop_path=0.2)
        ),
        lambda: nn.Sequential(
            make_op("sep_conv_3x3", 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
        ),
        lambda: (
            NASBench201Space()
            .parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
            .build(num_classes=4, cells=1, channels=4)
        ),
    ]
    scores = [
        proxies.PROXIES[name](make(), torch.randn(4, 3, 32, 32), LABELS[:4]) for make in drawn
    ]
    assert not any(map(math.isnan, scores))


@pytest.mark.parametrize("proxy", [proxies.naswot, proxies.jacov])
def test_one_image_is_too_few(proxy: proxies.Proxy) -> None:
    with pytest.raises(ValueError, match="`inputs` must be at least 2 examples .*, but got 1"):
        proxy(_net(), IMAGES[:1], LABELS[:1])


# What has no gradient


WITH_LABELS = pytest.mark.parametrize("proxy", [proxies.grad_norm, proxies.snip])


@WITH_LABELS
@pytest.mark.parametrize("labels", [torch.zeros(6).long(), LABELS, torch.randn(6, 1)])
def test_a_single_output_has_no_cross_entropy(proxy: proxies.Proxy, labels: torch.Tensor) -> None:
    single = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    with pytest.raises(
        ValueError, match=r"at least two classes .* \(6, 1\), .* always 0: give a `loss`, or take"
    ):
        proxy(single, IMAGES, labels)
    with pytest.raises(ValueError, match=r"puts out shape \(6,\)"):
        proxy(nn.Sequential(single, nn.Flatten(0)), IMAGES, labels)


@WITH_LABELS
@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (torch.arange(6), r"torch.int64 of shape \(6,\) from 0 to 5"),
        (-1 - LABELS, r"torch.int64 of shape \(6,\) from -4 to -1"),
        (torch.ones(6), r"torch.float32 of shape \(6,\) from 1 to 1"),
        (torch.zeros(6, 8, 8).long(), r"torch.int64 of shape \(6, 8, 8\) from 0 to 0"),
    ],
)
def test_labels_that_do_not_fit_the_outputs_are_told(
    proxy: proxies.Proxy, labels: torch.Tensor, told: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"classes from 0 to 3 .* shape \(6, 4\), .*, but got {told}: give a `lo"
    ):
        proxy(_net(), IMAGES, labels)


@WITH_LABELS
def test_labels_of_pixels_and_probabilities_have_a_score(proxy: proxies.Proxy) -> None:
    assert proxy(nn.Conv2d(3, 4, 1), IMAGES, torch.zeros(6, 8, 8).long()) > 0.0
    certain = functional.one_hot(LABELS, 4).float()
    assert proxy(_net(), IMAGES, certain) == pytest.approx(proxy(_net(), IMAGES, LABELS), rel=1e-4)
    assert proxy(_net(), IMAGES, LABELS.int()) == proxy(_net(), IMAGES, LABELS)


@pytest.mark.parametrize("proxy", [proxies.grad_norm, proxies.snip, proxies.synflow])
def test_networks_without_weights_are_told(proxy: proxies.Proxy) -> None:
    with pytest.raises(ValueError, match="must have convolutions, linear, .* Flatten has"):
        proxy(nn.Flatten(), IMAGES, LABELS)
