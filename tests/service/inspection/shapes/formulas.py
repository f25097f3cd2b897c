"""An evaluator of the table's formulas that shares nothing with what writes them."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor

from service.inspection.shapes.layer_table import LayerRow


def evaluated(row: LayerRow) -> list[int]:
    return [evaluate(formula.split(" = ")[0]) for formula in row.formula if " = " in formula]


def stated(row: LayerRow) -> list[int]:
    found = [re.search(r" = (-?\d+)", formula) for formula in row.formula]
    return [int(match[1]) for match in found if match]


_SUMS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ROUNDINGS: Mapping[str, Callable[[Fraction], int]] = {"floor": floor, "ceil": ceil}


def evaluate(text: str) -> int:
    """Numbers, + - * / and floor and ceil, exact: such as `floor((27 + 2*2 - 5)/1) + 1`."""
    result = _value(ast.parse(text, mode="eval").body)
    assert result.denominator == 1
    return int(result)


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=sum_, right=right):
            return _SUMS[type(sum_)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=rounding), args=[argument]):
            return Fraction(_ROUNDINGS[rounding](_value(argument)))
    raise AssertionError(ast.dump(node))
