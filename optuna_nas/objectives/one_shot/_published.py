"""Published variants of DARTS as constructors of its objective: one for each of the variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from optuna_nas.objectives.one_shot.variants import (
    DARTS_ES,
    DARTS_PT,
    DRNAS,
    FAIR_DARTS,
    GDAS,
    PC_DARTS,
)

if TYPE_CHECKING:
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data

__all__ = ["PublishedVariants"]


class PublishedVariants:
    """Constructors of an objective that takes a ``variant``, named as the papers name them."""

    if TYPE_CHECKING:

        def __init__(self, space: SearchSpace, data: str | Data, **options: Any) -> None: ...

    @classmethod
    def pc_darts(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by PC-DARTS (arXiv:1907.05737): one channel in four is mixed, edges have weights.

        Args:
            space: One whose supernet takes ``partial`` and ``edge_normalisation``.
            data: As for the class, as are all options but ``variant``.
        """
        return cls(space, data, variant=PC_DARTS, **options)

    @classmethod
    def darts_es(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by DARTS-ES (arXiv:1909.09656): the search ends where the eigenvalue rises.

        Args:
            space: As for the class, as are data and all options but ``variant``.
            data: Likewise.
        """
        return cls(space, data, variant=DARTS_ES, **options)

    @classmethod
    def darts_pt(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by DARTS-PT (arXiv:2108.04392): what the supernet misses most is selected.

        Args:
            space: As for the class, as are data and all options but ``variant``.
            data: Likewise.
        """
        return cls(space, data, variant=DARTS_PT, **options)

    @classmethod
    def gdas(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by GDAS (arXiv:1910.04465): one operation per edge and batch is sampled.

        Args:
            space: As for the class, as are data and all options but ``variant``.
            data: Likewise.
        """
        return cls(space, data, variant=GDAS, **options)

    @classmethod
    def fair_darts(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by FairDARTS (arXiv:1911.12126): sigmoids, so that operations do not compete.

        Args:
            space: As for the class, as are data and all options but ``variant``.
            data: Likewise.
        """
        return cls(space, data, variant=FAIR_DARTS, **options)

    @classmethod
    def drnas(cls, space: SearchSpace, data: str | Data, **options: Any) -> Self:
        """Search by DrNAS (arXiv:2006.10355): weights are sampled from Dirichlet distributions.

        Args:
            space: As for the class, as are data and all options but ``variant``.
            data: Likewise.
        """
        return cls(space, data, variant=DRNAS, **options)
