"""What the comments of a network's source say: its stages by name, with the shape behind each."""

import ast
import inspect
import re
from collections.abc import Iterator
from textwrap import dedent

import torch
from torch import nn

from training.networks import NETWORKS

SHAPE = re.compile(r"#[ ]([\dx]+)$")


def stated_shapes(name: str) -> dict[str, str]:
    """`channels x height x width` of each stage as it stands behind it, `features.0` inside a nested Sequential."""
    source = _source(name)
    lines = source.splitlines()
    matches = {path: SHAPE.search(lines[line - 1]) for path, line in _stages(ast.parse(source))}
    return {path: match[1] for path, match in matches.items() if match}


def stages(name: str) -> list[str]:
    """The names that need a comment: each module, and what is written out inside it, in the source's order."""
    return [path for path, _ in _stages(ast.parse(_source(name)))]


def on_paper(name: str) -> nn.Module:
    """The network as its comments state it, with shapes and no numbers: 138 million parameters take no memory."""
    with torch.device("meta"):
        return NETWORKS[name].published().eval()


def _source(name: str) -> str:
    build = NETWORKS[name].build
    with torch.device("meta"):
        made = type(build(NETWORKS[name].classes))
    return dedent(inspect.getsource(build if made is nn.Sequential else made))


def _stages(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(path, line of its end) of what `self.x = ...` makes, or the outermost Sequential."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "nn.Sequential":
            yield from _inside(node, "")
            return
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            yield node.targets[0].attr, node.end_lineno or 0


def _inside(sequential: ast.Call, prefix: str) -> Iterator[tuple[str, int]]:
    (first, *_) = arguments = sequential.args
    named: list[tuple[str, ast.expr]] = [(str(index), argument) for index, argument in enumerate(arguments)]
    if isinstance(first, ast.Call) and ast.unparse(first.func) == "OrderedDict":
        named = [(keyword.arg or "", keyword.value) for keyword in first.keywords]
    for name, value in named:
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "nn.Sequential":
            yield from _inside(value, f"{prefix}{name}.")
        yield f"{prefix}{name}", value.end_lineno or 0
