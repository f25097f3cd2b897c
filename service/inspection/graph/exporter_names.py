"""Which module or layer of the author's program a node was written by, as far as its exporter noted it.

Knows the names that torch.onnx, TensorFlow (tf2onnx), Keras, Paddle, MXNet, CNTK and Caffe2 give to nodes and
weights; knows no layers of Fovea.
"""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import onnx

_SCOPES_KEY = "pkg.torch.onnx.name_scopes"  # torch.onnx 2.9 and later: repr of ['', 'layer1', 'layer1.0', <fx node>]
_CLASSES_KEY = "pkg.torch.onnx.class_hierarchy"  # the classes of the same, behind them the operation
_MAX_SCOPES_LENGTH = 10_000
_MAX_PARTS = 64

# Modules of torch.nn that compute one thing. Containers, attention and recurrent layers are several.
_LEAF_MODULES = re.compile(
    r"torch\.nn\.modules\.(conv|linear|batchnorm|instancenorm|normalization|activation|pooling|padding|dropout|flatten"
    r"|pixelshuffle|channelshuffle|upsampling)\.(?!MultiheadAttention$|Unflatten$)(?P<name>\w+)"
)
# What TensorFlow's own operations are called inside the scope of a Keras layer.
_TENSORFLOW_SCOPES = re.compile(
    r"(batchnorm|moments|Tensordot|convolution|conv_transpose|depthwise|separable_conv2d|merged_input|ReadVariableOp"
    r"|BiasAdd|MatMul|Conv2D\w*|DepthwiseConv2d\w*|Cast|FusedBatchNorm\w*)(_\d+)?"
)
_TENSORFLOW_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
_INSERTED = re.compile(r"__\d+$")


@dataclass(frozen=True)
class Module:
    """Of PyTorch. `class_name` is that of a single layer of torch.nn (`Conv2d`), None for every other class."""

    path: str
    class_name: str | None


def module_of(node: onnx.NodeProto) -> Module | None:
    """The module that torch.onnx noted in the node's metadata; its path is empty for the network itself."""
    scopes, classes = _noted(node, _SCOPES_KEY), _noted(node, _CLASSES_KEY)
    if len(scopes) < 2 or scopes[-2].startswith("_empty_nn_module"):
        return None
    leaf = _LEAF_MODULES.fullmatch(classes[-2]) if len(classes) == len(scopes) else None
    return Module(scopes[-2], leaf["name"] if leaf else None)


def torch_path(node: onnx.NodeProto) -> str | None:
    """The module path in the node names of torch's earlier exporter: `/layer1/layer1.0/conv1/Conv`."""
    parts = node.name.split("/", _MAX_PARTS)
    if len(parts) < 3 or parts[0] or not re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", parts[-1]):
        return None
    modules: list[str] = []
    for part in parts[1:-1]:
        if modules and part.startswith(modules[-1] + "."):
            modules[-1] = part
        else:
            modules.append(part)
    return ".".join(modules)


@dataclass(frozen=True)
class KerasNames:
    """How the names `root/layer/operation` of one file are read. `numbered`: all layers got a `_1` more than theirs."""

    root: tuple[str, ...] = ()
    numbered: bool = False

    def layer(self, name: str) -> str | None:
        """`model/block1/conv1/Conv2D` -> `block1.conv1`; None for a name that tells no layer."""
        parts = _parts(name)
        if len(parts) <= len(self.root) + 1 or tuple(parts[: len(self.root)]) != self.root:
            return None
        layer = parts[len(self.root) : -1]
        while layer and _TENSORFLOW_SCOPES.fullmatch(layer[-1]):
            layer.pop()
        if not layer:
            return None
        return ".".join([_unnumbered(layer[0]), *layer[1:]] if self.numbered else layer)


def keras_names(nodes: Sequence[onnx.NodeProto]) -> KerasNames | None:
    """How to read a file whose nodes are named `model/layer/operation`; None where they are not."""
    paths = [parts for node in nodes if len(parts := _parts(node.name)) > 1]
    if 2 * len(paths) < len(nodes):
        return None
    root: list[str] = []
    while len(firsts := {path[len(root)] for path in paths if len(path) > len(root) + 1}) == 1 and len(root) < 4:
        root += firsts
    if len(paths) < 2 or not firsts:
        return KerasNames(tuple(root[:-1]))
    numbered = bool(root) and root[-1].endswith("_1") and all(_unnumbered(name) != name for name in firsts)
    return KerasNames(tuple(root), numbered and len({_unnumbered(name) for name in firsts}) == len(firsts))


def inserted_by_tf2onnx(node: onnx.NodeProto) -> bool:
    """Nodes that stand for no operation of the author's are named after a neighbour and a number: `conv/Conv2D__12`."""
    return bool(_INSERTED.search(node.name))


def _parts(name: str) -> list[str]:
    """Of `StatefulPartitionedCall/model/conv/Conv2D:0`: model, conv, Conv2D. Empty for PyTorch's `/conv/Conv`."""
    parts = re.sub(r":\d+$", "", name).split("/", _MAX_PARTS)
    while parts and _TENSORFLOW_CALLS.fullmatch(parts[0]):
        parts = parts[1:]
    return parts if parts and all(parts) else []


def _unnumbered(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _noted(node: onnx.NodeProto, key: str) -> tuple[str, ...]:
    return _names_in(next((prop.value for prop in node.metadata_props if prop.key == key), ""))


@lru_cache(maxsize=4096)
def _names_in(text: str) -> tuple[str, ...]:
    if not text or len(text) > _MAX_SCOPES_LENGTH:
        return ()
    try:
        noted = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    return tuple(noted) if isinstance(noted, list) and all(isinstance(name, str) for name in noted) else ()


def scope_of(node: onnx.NodeProto, names: KerasNames | None) -> str | None:
    """The module or Keras layer that the node was written by; None where nothing says so."""
    module = module_of(node)
    if module is not None:
        return module.path or None
    return torch_path(node) or (names.layer(node.name) if names else None)


# --- weights and nodes named by themselves

# `gpu_0/` is where Caffe2 trained it, `param_` what Chainer puts before.
_PREFIX = re.compile(r"^(gpu_\d+/|param_(?=\w+_[Wb]$|\w+_(gamma|beta)$))")
# The parameter's own word behind the layer's name: PyTorch, Paddle (`conv2d_0.w_0`), Caffe2 (`res2_0_branch2a_bn_s_0`),
# MXNet and Chainer (`conv0_weight`, `conv1/W`), Keras and TensorFlow (`conv1/kernel`), ONNX exporters that merge.
_PARAMETER = re.compile(
    r"(?P<layer>.+?)(\.(weight|w_\d+)|_(w|W|s|weight|gamma)(_\d+)?|/(kernel|gamma|W|weight|depthwise_kernel))(:\d+)?"
)
_BIAS = re.compile(r"(?P<layer>.+?)(\.(bias|b_\d+)|_(b|bias|beta)(_\d+)?|/(bias|beta|b))(:\d+)?")


def layer_of_weight(name: str, *, bias: bool = False) -> str | None:
    """`layer1.0.conv1.weight` belongs to `layer1.0.conv1`. Quantisers append a suffix to the name."""
    stripped = _PREFIX.sub("", name.removesuffix("_quantized"))
    found = (_BIAS if bias else _PARAMETER).fullmatch(stripped)
    return found["layer"].replace("/", ".") if found else None


def telling_name(name: str, op_type: str) -> str | None:
    """`pool1` of a node or tensor; None for one that only counts: `n12`, `Relu_4`, `node_Conv_3`, `p2o.Conv.0`."""
    if len(name) < 3 or name.startswith(("node_", "p2o.", "onnx::", "/")) or not re.search(r"[A-Za-z]{2}", name):
        return None
    own = name.rsplit("/", 1)[-1]
    if re.fullmatch(rf"({re.escape(op_type)})?([\W_]+\d+)*", own, re.IGNORECASE) or _INSERTED.search(name):
        return None
    return re.sub(r":\d+$", "", _PREFIX.sub("", name)).removesuffix("_fwd").replace("/", ".")


def first(names: Iterable[str | None]) -> str | None:
    return next(filter(None, names), None)
