"""The largest eigenvalue of alpha's Hessian, and when it ends a search (DARTS-ES)."""

from __future__ import annotations

import pytest
import torch

from optuna_nas.objectives import EigenvalueStop, SearchReading
from optuna_nas.objectives.one_shot._eigenvalue import largest_eigenvalue


def test_the_largest_eigenvalue_of_a_quadratic():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    hessian = root + root.T - 4.0 * torch.eye(9)
    parts = [torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (4, 5)]
    alpha = torch.cat(parts)
    found = largest_eigenvalue(0.5 * alpha @ hessian @ alpha + alpha.sum(), parts)
    values = torch.linalg.eigvalsh(hessian)
    assert values[0].abs() > values[-1]  # the largest, not the largest in size
    assert found == pytest.approx(float(values[-1]), rel=0.01)


def reading(eigenvalue):
    return SearchReading(entropy=1.0, skip_share=0.0, weights={}, params={}, eigenvalue=eigenvalue)


def stopped(eigenvalues, **settings):
    """After which epoch a search ends, and to which it goes back."""
    stop = EigenvalueStop(**settings)
    for end in range(1, len(eigenvalues) + 1):
        back = stop.stops_at([reading(value) for value in eigenvalues[:end]])
        if back is not None:
            return end, back
    return None


def test_a_jump_of_the_averages():
    """Averages of 5 epochs, compared with those 4 epochs earlier: 1.4 is too much, 1.29 is not."""
    calm, risen = [1.0] * 20, [3.0] * 10
    # One epoch at 3.0 lifts an average to 1.4; its window is centred at 18, and 14 is compared.
    assert stopped(calm + risen) == (21, 15)
    assert stopped(calm + [2.45] + [1.0] * 9) is None  # averages of 1.29
    assert stopped(calm + [1.0 * 1.05**n for n in range(30)]) is None  # 1.05**4 is 1.22
    assert stopped(calm + [1.0 * 1.07**n for n in range(30)]) is not None  # 1.31


def test_no_early_epoch_is_returned():
    jump = [1.0] * 8 + [9.0] * 30
    end, back = stopped(jump, from_epoch=4)
    assert (end, back) == (11, 5)
    assert stopped(jump) is None  # when epoch 10 may be returned, both averages are high
    assert stopped([1.0] * 4 + [9.0] * 4, from_epoch=0) is None  # too few for two averages


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"window": 0}, "`window` must be at least 1"), ({"ratio": 0.0}, "`ratio` must be more")],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        EigenvalueStop(**settings)
