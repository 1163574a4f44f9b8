"""One test of a case on spaces, called outside pytest's classes."""

from __future__ import annotations

import inspect
from typing import Any

from optuna_nas.spaces import SearchSpace
from optuna_nas.testing import SpaceTestCase
from optuna_nas.testing._studies import suggested


def run(
    method: str, space: SearchSpace, case: type[SpaceTestCase] = SpaceTestCase, **given: Any
) -> None:
    """Call one test of the case, with what pytest would give it."""
    test = getattr(case(), method)
    known = {"space": space, "architectures": suggested(space, case.num_samples), **given}
    test(**{name: known[name] for name in inspect.signature(test).parameters})
