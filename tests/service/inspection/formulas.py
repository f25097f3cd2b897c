"""An evaluator of the table's formulas that shares nothing with what writes them."""

import ast
import re
from fractions import Fraction
from math import ceil, floor

from service.inspection.layer_table import LayerRow


def evaluated(row: LayerRow) -> list[int]:
    return [evaluate(formula.split(" = ")[0]) for formula in row.formula if " = " in formula]


def stated(row: LayerRow) -> list[int]:
    found = [re.search(r" = (-?\d+)", formula) for formula in row.formula]
    return [int(match[1]) for match in found if match]


def evaluate(text: str) -> int:
    """Numbers, + - * / and floor and ceil, exact: such as `floor((27 + 2*2 - 5)/1) + 1`."""

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return value(left) + value(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return value(left) - value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return value(left) * value(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return value(left) / value(right)
            case ast.Call(func=ast.Name(id="floor"), args=[argument]):
                return Fraction(floor(value(argument)))
            case ast.Call(func=ast.Name(id="ceil"), args=[argument]):
                return Fraction(ceil(value(argument)))
        message = f"{text!r} is not a sum"
        raise AssertionError(message)

    result = value(ast.parse(text, mode="eval").body)
    assert result.denominator == 1
    return int(result)
