"""The typical pictures, as the spaces describe them."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_nas.drawing import Edge, Graph, Node

NASBENCH201_OPS = (
    "nor_conv_3x3",
    "skip_connect",
    "nor_conv_1x1",
    "none",
    "avg_pool_3x3",
    "nor_conv_3x3",
)


def nasbench201(ops: Sequence[str] = NASBENCH201_OPS) -> Graph:
    pairs = [(source, target) for target in range(1, 4) for source in range(target)]
    return Graph(
        nodes=tuple(Node(str(i), str(i), "state") for i in range(4)),
        edges=tuple(Edge(str(s), str(t), op) for (s, t), op in zip(pairs, ops, strict=True)),
        title="NAS-Bench-201 cell",
    )


def nasnet(normal: Sequence[tuple[int, int]], reduction: Sequence[tuple[int, int]]) -> Graph:
    nodes: list[Node] = []
    edges: list[Edge] = []
    for panel, blocks in (("normal cell", normal), ("reduction cell", reduction)):
        _add_cell(panel, blocks, nodes, edges)
    return Graph(tuple(nodes), tuple(edges), "NASNet")


def nas_rl(num_layers: int = 15, *, every: int = 1, plain: bool = False) -> Graph:
    nodes = [Node("in", "input", "input")]
    edges = []
    for i in range(num_layers):
        nodes.append(
            Node(f"l{i}", f"{(1, 3, 5, 7)[i % 4]}x{(7, 3, 5)[i % 3]}, {(24, 36, 48)[i % 3]}")
        )
        edges.append(Edge(nodes[i].key, f"l{i}"))
        if not plain:
            edges += [Edge(f"l{j}", f"l{i}") for j in range(i - 1) if (i + j * 7) % every == 0]
    nodes.append(Node("out", "softmax", "output"))
    return Graph((*nodes,), (*edges, Edge(f"l{num_layers - 1}", "out")), "NAS-RL")


def parallel() -> Graph:
    return Graph(
        (Node("a", "a", "state"), Node("b", "b", "state")),
        tuple(Edge("a", "b", op) for op in ("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3"))
        + (Edge("a", "b"),),
    )


def darts() -> Graph:
    nodes: list[Node] = []
    edges: list[Edge] = []
    chosen = (((0, 1), (0, 1), (1, 0), (0, 2)), ((0, 1), (2, 1), (0, 2), (2, 1)))
    ops = ("sep_conv_3x3", "skip_connect", "dil_conv_3x3", "max_pool_3x3", "sep_conv_5x5")
    for panel, cell in zip(("normal cell", "reduction cell"), chosen, strict=True):
        tag = panel[0]
        nodes += [
            Node(f"{tag}0", "c_{k-2}", "input", panel),
            Node(f"{tag}1", "c_{k-1}", "input", panel),
        ]
        nodes += [Node(f"{tag}{i + 2}", str(i), "state", panel) for i in range(4)]
        nodes.append(Node(f"{tag}out", "c_{k}", "output", panel))
        for i, pair in enumerate(cell):
            for j, source in enumerate(pair):
                edges.append(Edge(f"{tag}{source}", f"{tag}{i + 2}", ops[(i * 2 + j) % 5]))
            edges.append(Edge(f"{tag}{i + 2}", f"{tag}out"))
    return Graph(tuple(nodes), tuple(edges), "DARTS")


def _add_cell(
    panel: str, blocks: Sequence[tuple[int, int]], nodes: list[Node], edges: list[Edge]
) -> None:
    tag = panel[0]
    states = [f"{tag}0", f"{tag}1"]
    ops = (
        "sep 5x5",
        "sep 3x3",
        "avg pool 3x3",
        "identity",
        "max pool 3x3",
        "sep 7x7",
        "conv 1x7 7x1",
    )
    nodes += [Node(key, f"h[{i - 1}]", "input", panel) for i, key in enumerate(states)]
    read = set()
    for i, pair in enumerate(blocks):
        add = f"{tag}add{i}"
        for side, source in zip("ab", pair, strict=True):
            op = f"{tag}{i}{side}"
            nodes.append(Node(op, ops[(i * 3 + ord(side)) % len(ops)], "op", panel))
            edges += [Edge(states[source], op), Edge(op, add)]
            read.add(source)
        nodes.append(Node(add, "add", "merge", panel))
        states.append(add)
    nodes.append(Node(f"{tag}out", "concat", "output", panel))
    edges += [Edge(key, f"{tag}out") for i, key in enumerate(states) if i > 1 and i not in read]


NASNET_A = nasnet(
    ((1, 1), (0, 1), (1, 0), (0, 0), (1, 1)), ((0, 1), (1, 0), (1, 0), (2, 1), (2, 3))
)
DEEP_CELL = nasnet(
    ((1, 0), (2, 1), (3, 0), (4, 1), (5, 0)), ((0, 1), (0, 2), (1, 3), (4, 2), (5, 1))
)
TYPICAL = {
    "nasbench201": nasbench201(),
    "nasnet": NASNET_A,
    "deep": DEEP_CELL,
    "darts": darts(),
    "nasrl_full": nas_rl(),
    "nasrl": nas_rl(every=4),
    "nasrl6": nas_rl(6, every=2),
    "chain40": nas_rl(40, plain=True),
    "chain40_skips": nas_rl(40, every=25),
    "parallel": parallel(),
}
