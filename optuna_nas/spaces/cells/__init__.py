"""What one needs to write a space of cells: small graphs of operations that are stacked.

A subclass of :class:`ConcatSpace` (blocks that read two earlier states, as in NASNet) sets its
operations; one of :class:`CellNetworkSpace` says what a node of the graph decides. Cells of one's
own operations need no class: see :class:`optuna_nas.spaces.CellSpace`.
"""

from optuna_nas._genotype import Cell, Edge, Node
from optuna_nas.spaces.cells._blocks import BlockSpace, ConcatSpace, stack_sizes
from optuna_nas.spaces.cells._cell_graph import cell_graph
from optuna_nas.spaces.cells._cells import CellNetworkSpace, CellPair, cell_form

__all__ = [
    "BlockSpace",
    "Cell",
    "CellNetworkSpace",
    "CellPair",
    "ConcatSpace",
    "Edge",
    "Node",
    "cell_form",
    "cell_graph",
    "stack_sizes",
]
