"""Pictures of architectures: a plain graph value, its layout, and SVG, PNG or plotly from it."""

from optuna_nas.drawing._compare import compare
from optuna_nas.drawing._graph import Edge, Graph, Node
from optuna_nas.drawing._layout import Layout, layout
from optuna_nas.drawing._matplotlib import save_picture, to_png, to_svg
from optuna_nas.drawing._plotly import to_plotly

__all__ = [
    "Edge",
    "Graph",
    "Layout",
    "Node",
    "compare",
    "layout",
    "save_picture",
    "to_plotly",
    "to_png",
    "to_svg",
]
