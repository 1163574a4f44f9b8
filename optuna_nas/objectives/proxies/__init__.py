"""Zero-cost proxies: scores of an untrained network, from one batch and one pass. More is better.

Each is a pure function ``(model, inputs, target, *, loss=None) -> float`` that leaves the network
as it was. ``inputs`` is a batch as the network takes it: a tensor (B, ...), a tuple of them
(positional) or a dict of them (named), of any type.

They cost a thousandth of a training and rank networks far worse than one. On 200 random cells of
NAS-Bench-201 and a batch of 32 true images, Spearman's correlation with the accuracy on CIFAR-10
was 0.84 for jacov, 0.79 naswot, 0.76 synflow, 0.74 params and flops, 0.56 grad_norm and snip; on
noise instead of images jacov fell to 0.59 and naswot to 0.69 (``benchmarks/proxies.py``).

Letters: ``B`` examples in a batch, ``K`` classes, ``A`` activations.

References:
    - [Mellor2021] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training.
      ICML 2021. arXiv:2006.04647. :func:`naswot`; its first version (v1, 2020) had :func:`jacov`.
    - [Tanaka2020] Tanaka, Kunin, Yamins, Ganguli. Pruning neural networks without any data by
      iteratively conserving synaptic flow. NeurIPS 2020. arXiv:2006.05467. :func:`synflow`.
    - [Lee2019] Lee, Ajanthan, Torr. SNIP: Single-shot Network Pruning based on Connection
      Sensitivity. ICLR 2019. arXiv:1810.02340. :func:`snip`.
    - [Abdelfattah2021] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight
      NAS. ICLR 2021. arXiv:2101.08134. :func:`grad_norm`, and the sums over whole networks.

Differences from the papers:
    1. :func:`naswot` sees every activation of the usual kinds, also functions such as
       ``x.relu()``; of smooth ones it takes the sign of the input. The release sees ``nn.ReLU``.
    2. :func:`jacov` counts examples that the output does not depend on as fully correlated (the
       release divides by zero), and eigenvalues below 0, which are rounding, as 0. For integers,
       which have no gradient, it takes that of what embeddings give for them.
    3. :func:`synflow` leaves batch norms out and computes in float64 in eval mode, as
       [Abdelfattah2021] do. Deep networks have scores of 1e30 and more; only their order matters.
    4. Sums run over the weights of convolutions and linear layers, as in [Abdelfattah2021], and
       over the matrices of recurrent, attention and bilinear layers.
"""

from optuna_nas.objectives.proxies._network import Loss
from optuna_nas.objectives.proxies._scores import (
    PROXIES,
    Proxy,
    flops,
    grad_norm,
    jacov,
    naswot,
    params,
    snip,
    synflow,
)

__all__ = [
    "PROXIES",
    "Loss",
    "Proxy",
    "flops",
    "grad_norm",
    "jacov",
    "naswot",
    "params",
    "snip",
    "synflow",
]
