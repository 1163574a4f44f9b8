"""The notation of DARTS, as it stands in people's code. It is parsed and never evaluated.

::

    Genotype(
        normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ...],
        normal_concat=range(2, 6),
        reduce=[...],
        reduce_concat=[2, 3, 4, 5],
    )

The pairs are operation and input, two for each node in turn; 0 is the cell before the previous
one, 1 the previous one. Arguments may be given by position, the call may be assigned to a name,
and the two pairs of a node may stand in a tuple of their own.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from optuna_nas._ground.checks import shown
from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.spaces.decisions import text_error

__all__ = ["GenotypeText", "format_genotype"]

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
FIRST_STATE = 2
MAX_LENGTH = 2**16
MAX_SHOWN = 100  # characters of an expression in a message


def format_genotype(cells: Mapping[str, Cell]) -> str:
    """Write cells as DARTS does. Their list of concatenated states must be without gaps."""
    fields = []
    for scope, cell in cells.items():
        edges = [(edge.op, edge.input) for node in cell.nodes for edge in node.edges]
        concat = range(cell.output[0], cell.output[-1] + 1)
        assert tuple(concat) == cell.output
        fields.append(f"{scope}={edges}, {scope}_concat={concat}")
    return f"Genotype({', '.join(fields)})"


class GenotypeText:
    """A text in the notation of DARTS, taken apart.

    Args:
        text: The whole text.

    Raises:
        ValueError: If it is not such a call; the message points at the place.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:  # Python's parser takes seconds for more
            raise text_error(text, MAX_LENGTH, f"Expected at most {MAX_LENGTH} characters")
        self._text = text
        before = re.match(r"(\s|#.*)*", text)  # Python would mind the indentation
        self._start = before.end() if before else 0
        self._fields = self._read_call(self._read_python())

    @staticmethod
    def is_one(text: str) -> bool:
        """Tell whether the text is meant to be in this notation."""
        return re.search(r"\bGenotype\s*\(", text) is not None

    def nodes(
        self,
        scope: str,
        ops: Sequence[str],
        *,
        num_nodes: int,
        distinct: bool = False,
        rename: Mapping[str, str] | None = None,
    ) -> list[Node]:
        """Read the nodes of a cell.

        Args:
            scope: ``"normal"`` or ``"reduce"``.
            ops: The operations that are known.
            num_nodes: Number of nodes that there must be.
            distinct: Whether the two inputs of a node must differ.
            rename: Operations that are called otherwise in ``ops``.

        Raises:
            ValueError: If the list is wrong; the message points at the place.
        """
        pairs = list(self._pairs(self._fields[scope]))
        if len(pairs) != 2 * num_nodes:
            self._fail(
                self._fields[scope],
                f"`{scope}` must have {2 * num_nodes} pairs, two for each of {num_nodes} nodes, "
                f"but got {len(pairs)}",
            )
        edges: list[Edge] = []
        for i, pair in enumerate(pairs):
            op = self._op(pair.elts[0], ops, rename or {})
            source = self._state(pair.elts[1], FIRST_STATE + i // 2)
            if distinct and i % 2 == 1 and source == edges[-1].input:
                self._fail(
                    pair.elts[1],
                    f"The two inputs of node {FIRST_STATE + i // 2} must differ, but both are "
                    f"{source}",
                )
            edges.append(Edge(source, op))
        return [Node((a, b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def concat(self, scope: str, num_nodes: int) -> tuple[tuple[int, ...], int]:
        """Read the states that a cell of ``num_nodes`` nodes concatenates, and where they stand.

        Raises:
            ValueError: If it is no list of different states; the message points at the place.
        """
        expr = self._fields[f"{scope}_concat"]
        states = self._states(expr, FIRST_STATE + num_nodes)
        if not states or len(set(states)) < len(states):
            self._fail(expr, f"`{scope}_concat` must list different states, at least one")
        return states, self._place(expr)

    # From text to syntax

    def _read_python(self) -> ast.expr:
        try:
            module = ast.parse(self._text[self._start :])
        except SyntaxError as error:
            at = self._offset(error.lineno or 1, (error.offset or 1) - 1, in_bytes=False)
            raise text_error(
                self._text, at, f"The text is not a Python expression: {error.msg}"
            ) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise text_error(
                self._text, self._start, f"The text is not a Python expression: {error}"
            ) from None
        body = module.body
        if len(body) == 1 and isinstance(body[0], ast.Expr | ast.Assign | ast.AnnAssign):
            value = body[0].value
            if value is not None:
                return value
        at = self._start if len(body) < 2 else self._place(body[1])
        raise text_error(self._text, at, "Expected a single Genotype(normal=[...], ...)")

    def _read_call(self, expr: ast.expr) -> dict[str, ast.expr]:
        if not isinstance(expr, ast.Call) or _name_of(expr.func) != "Genotype":
            self._fail(expr, "Expected Genotype(normal=[...], normal_concat=..., ...)")
        fields: dict[str, ast.expr] = {}
        for i, value in enumerate(expr.args):
            if i >= len(FIELDS) or isinstance(value, ast.Starred):
                self._fail(value, f"Genotype takes the four arguments {FIELDS}")
            fields[FIELDS[i]] = value
        for keyword in expr.keywords:
            if keyword.arg not in FIELDS or keyword.arg in fields:
                what = "is given twice" if keyword.arg in fields else f"is none of {FIELDS}"
                self._fail(keyword, f"The argument {keyword.arg!r} {what}")
            fields[keyword.arg] = keyword.value
        missing = [field for field in FIELDS if field not in fields]
        if missing:
            self._fail(expr, f"Genotype lacks the argument {missing[0]!r}")
        return fields

    # From syntax to values

    def _pairs(self, expr: ast.expr) -> Iterator[ast.Tuple | ast.List]:
        if not isinstance(expr, ast.List | ast.Tuple):
            self._fail(expr, "Expected a list of pairs such as ('sep_conv_3x3', 1)")
        for element in expr.elts:
            inner = element.elts if isinstance(element, ast.Tuple | ast.List) else []
            if len(inner) == 2 and all(isinstance(e, ast.Tuple | ast.List) for e in inner):
                yield from self._pairs(element)
            elif isinstance(element, ast.Tuple | ast.List) and len(inner) == 2:
                yield element
            else:
                self._fail(element, "Expected a pair such as ('sep_conv_3x3', 1)")

    def _op(self, expr: ast.expr, ops: Sequence[str], rename: Mapping[str, str]) -> str:
        value = expr.value if isinstance(expr, ast.Constant) else None
        op = value if isinstance(value, str) else None
        if op is not None and op not in ops:
            op = rename.get(op, op)
        if op is None or op not in ops:
            got = self._source(expr) if op is None else shown(value)
            self._fail(expr, f"Expected an operation, one of {tuple(ops)}, but got {got}")
        return op

    def _state(self, expr: ast.expr, count: int) -> int:
        value = expr.value if isinstance(expr, ast.Constant) else None
        if type(value) is not int or value >= count:
            self._fail(expr, f"Expected a state in [0, {count - 1}], but got {self._source(expr)}")
        return value

    def _states(self, expr: ast.expr, count: int) -> tuple[int, ...]:
        """Read ``range(2, 6)``, ``[2, 3, 4, 5]``, ``(2, 3)``, or ``list(...)`` of these."""
        if isinstance(expr, ast.List | ast.Tuple):
            return tuple(self._state(element, count) for element in expr.elts)
        if isinstance(expr, ast.Call) and not expr.keywords:
            function, args = _name_of(expr.func), expr.args
            if function in ("list", "tuple") and len(args) == 1:
                return self._states(args[0], count)
            if function == "range" and 1 <= len(args) <= 2:
                ends = [self._state(arg, count + 1) for arg in args]
                return tuple(range(*ends))
        self._fail(expr, "Expected range(first, last + 1) or a list of states")

    # Places

    def _place(self, node: ast.expr | ast.keyword | ast.stmt) -> int:
        return self._offset(node.lineno, node.col_offset, in_bytes=True)

    def _source(self, node: ast.expr) -> str:
        """Return what was written, without ``ast.unparse``, which recurs and writes numbers."""
        text = ast.get_source_segment(self._text[self._start :], node) or ""
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."

    def _offset(self, line: int, column: int, *, in_bytes: bool) -> int:
        """Turn a place of the syntax tree into one of the text."""
        lines = self._text[self._start :].split("\n")
        if line > len(lines):
            return len(self._text)
        before = sum(len(earlier) + 1 for earlier in lines[: line - 1])
        if in_bytes:  # the tree counts bytes of UTF-8
            column = len(lines[line - 1].encode()[:column].decode(errors="ignore"))
        return min(self._start + before + column, len(self._text))

    def _fail(self, node: ast.expr | ast.keyword | ast.stmt, message: str) -> NoReturn:
        raise text_error(self._text, self._place(node), message)


def _name_of(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None
