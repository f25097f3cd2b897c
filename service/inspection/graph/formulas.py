"""The formulas of `service.inspection.graph.patterns` as trees.

Knows how a formula is written, no graph.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

Requirement = int | float | tuple[int, ...] | None

RESHAPING = ("Reshape", "Squeeze", "Unsqueeze")
SCALARS = frozenset({"alpha", "beta", "epsilon", "k"})
_IMAGES = frozenset({"x", "y"})


@dataclass(frozen=True)
class Operator:
    """A node: of this operator, with these first inputs, and settings (None: absent, or no limit)."""

    op_type: str
    inputs: tuple["Formula", ...]
    settings: Mapping[str, Requirement]


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Image:
    """A tensor that depends on the image."""

    word: str


@dataclass(frozen=True)
class Constant:
    """`word` is `_` where the layer does not care for it."""

    word: str


@dataclass(frozen=True)
class Either:
    choices: tuple["Formula", ...]


@dataclass(frozen=True)
class Reshaped:
    inner: "Formula"


Formula = Operator | Number | Image | Constant | Either | Reshaped


@cache
def parsed(formula: str) -> Formula:
    """Raises ValueError for what is no formula."""
    return _formula(ast.parse(formula, mode="eval").body)


def beginnings(formula: Formula) -> Iterator[tuple[str, str]]:
    """(operator of the last node, operator of one node before it) of all that the formula fits; "" where none is."""
    if isinstance(formula, Either):
        for choice in formula.choices:
            yield from beginnings(choice)
    elif isinstance(formula, Operator):
        before = [list(_operators(part)) for part in formula.inputs]
        yield from ((formula.op_type, op_type) for op_type in next(filter(None, before), [""]))


def _operators(formula: Formula) -> Iterator[str]:
    match formula:
        case Operator(op_type):
            yield op_type
        case Either(choices):
            for choice in choices:
                yield from _operators(choice)
        case Reshaped(inner):
            yield from (*RESHAPING, "If", *_operators(inner))


def _formula(node: ast.expr) -> Formula:
    match node:
        case ast.BinOp(left, ast.BitOr(), right):
            return Either((*_choices(left), *_choices(right)))
        case ast.Call(ast.Name("Reshaped"), [inner], []):
            return Reshaped(_formula(inner))
        case ast.Call(ast.Name(op_type), inputs, keywords):
            settings = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in keywords}
            return Operator(op_type, tuple(map(_formula, inputs)), settings)
        case ast.Name(word):
            return Image(word) if word in _IMAGES else Constant(word)
        case _:
            return Number(float(ast.literal_eval(node)))


def _choices(node: ast.expr) -> tuple[Formula, ...]:
    formula = _formula(node)
    return formula.choices if isinstance(formula, Either) else (formula,)
