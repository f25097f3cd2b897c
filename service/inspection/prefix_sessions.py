"""Any tensor inside a network at the cost of the nodes it needs, from truncated copies of the model.

A copy ends at the tensors that are asked for and begins at those that are given: the image, or any other tensor.
Knows tensors by name, not layers; never touches the session that classifies.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.helper import make_tensor_value_info, np_dtype_to_tensor_dtype
from onnxruntime import InferenceSession

from service.errors import InvalidParameterError, UnknownLayerError, UnsupportedModelError, shown
from service.inspection import stopping
from service.inspection.turns import Turns

# An estimate of the threads, arena and graph of a session that holds next to no weights; ONNX Runtime keeps the
# weights twice, as read and packed for its kernels.
_SESSION_BYTES = 4 * 2**20
_COPIES_OF_WEIGHTS = 2

Feed = Mapping[str, np.ndarray]
_Given = tuple[str, str, tuple[int, ...]]
_Key = tuple[str, frozenset[str], frozenset[_Given], bool]


@dataclass(frozen=True)
class Part:
    """A part of a network, open. It stays so as long as somebody holds it, kept or not."""

    session: InferenceSession
    tensors: tuple[str, ...]
    turns: Turns

    def run(self, feed: Feed) -> dict[str, np.ndarray]:
        """The tensors in the file's own types; what `feed` holds beyond the part's inputs is left out.

        Raises UnsupportedModelError where ONNX Runtime refuses the feed.
        """
        needed = {value.name: feed[value.name] for value in self.session.get_inputs() if value.name in feed}
        try:
            with self.turns:
                stopping.check()
                values = self.session.run(list(self.tensors), needed, stopping.run_options())
        except Exception as error:  # ONNX Runtime has one exception type for each of its status codes
            stopping.check()
            raise _cannot_run(self.tensors, error) from error
        return dict(zip(self.tensors, map(_array, self.tensors, values), strict=True))


class PrefixSessions:
    """Sessions of truncated models, the least recently used closed first. Thread-safe.

    `create` makes a session of a serialized model. `max_bytes` bounds the estimated memory of the kept sessions:
    twice the serialized prefix and 4 MiB each. One larger than that serves its request and is not kept.
    Runs take turns, so that together they never use more than one run's threads.
    """

    def __init__(self, create: Callable[[bytes], InferenceSession], max_bytes: int) -> None:
        self._create = create
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._turns = Turns(stopping.acquire)
        self._sessions: OrderedDict[_Key, Future[InferenceSession]] = OrderedDict()
        self._bytes: dict[_Key, int] = {}

    def run(self, digest: str, model: onnx.ModelProto, tensors: Sequence[str], feed: Feed) -> dict[str, np.ndarray]:
        """The named tensors of `model` for `feed`; `digest` identifies the model. float16 comes as float32.

        `feed` holds every input of the model; those the prefix does not need are left out. Values agree with a run of
        the whole model to float32 rounding, because fewer nodes are fused. Raises UnknownLayerError for a name that is
        no tensor of the graph and UnsupportedModelError where ONNX Runtime refuses the prefix or the feed.
        The first request for a set of tensors builds its session: some 5 to 100 ms, once however many ask for it.
        """
        wanted = sorted(set(tensors) - set(feed))
        given = {name: np.asarray(feed[name]) for name in tensors if name in feed}
        found = self.part(digest, model, wanted).run(feed) if wanted else {}
        return {name: _as_float32((found | given)[name]) for name in tensors}

    def part(
        self,
        digest: str,
        model: onnx.ModelProto,
        tensors: Sequence[str],
        given: Feed | None = None,
        *,
        any_rows: bool = False,
    ) -> Part:
        """What computes `tensors` of `model` from its inputs, or from the tensors that are `given` instead.

        Of `given` the types and the shapes count, and not how many rows they have. `any_rows` rewrites reshapes to one
        row, which a file for single images has: whether the result still is the network's has to be tried.
        To be held by whoever runs it many times: one too large to be kept would be built each time. Raises as `run`.
        """
        types = frozenset((name, str(values.dtype), values.shape) for name, values in (given or {}).items())
        session = self._session((digest, frozenset(tensors), types, any_rows), model)
        return Part(session, tuple(sorted(set(tensors))), self._turns)

    @property
    def kept_bytes(self) -> int:
        """The estimated memory of the sessions kept now; at most `max_bytes`."""
        with self._lock:
            return sum(self._bytes.values())

    def _session(self, key: _Key, model: onnx.ModelProto) -> InferenceSession:
        with self._lock:
            waiting = self._sessions.get(key)
            if waiting is None:
                mine = self._sessions[key] = Future()
            else:
                self._sessions.move_to_end(key)
        return self._built(key, model, mine) if waiting is None else stopping.awaited(waiting)

    def _built(self, key: _Key, model: onnx.ModelProto, mine: Future[InferenceSession]) -> InferenceSession:
        try:
            inputs = [_declared(*given) for given in sorted(key[2])]
            truncated = prefix(model, sorted(key[1]), inputs)
            if key[3]:
                take_any_rows(truncated.graph)
            serialized = truncated.SerializeToString()
            session = self._created(serialized, key)
        except BaseException as error:
            with self._lock:
                del self._sessions[key]
            mine.set_exception(error)
            raise
        mine.set_result(session)
        self._keep(key, _SESSION_BYTES + _COPIES_OF_WEIGHTS * len(serialized))
        return session

    def _created(self, serialized: bytes, key: _Key) -> InferenceSession:
        try:
            return self._create(serialized)
        except Exception as error:  # as in a run
            raise _cannot_run(sorted(key[1]), error) from error

    def _keep(self, key: _Key, size: int) -> None:
        with self._lock:
            self._bytes[key] = size
            for oldest in list(self._sessions):
                if sum(self._bytes.values()) <= self._max_bytes:
                    return
                if self._bytes.pop(oldest, None):
                    del self._sessions[oldest]


def prefix(
    model: onnx.ModelProto, tensors: Sequence[str], given: Sequence[onnx.ValueInfoProto] = ()
) -> onnx.ModelProto:
    """The part of `model` that computes `tensors` and nothing else: they are its outputs, what they need its inputs.

    Nothing that only the `given` tensors need is in it: those are inputs, whatever computes them in `model`.
    Output types are left to ONNX Runtime, so no shape inference is needed. Weights that are not needed are not copied.
    Raises UnknownLayerError for a name that no input, weight or node output has.
    """
    cut = {value.name for value in given}
    needed, nodes = _ancestors(model.graph, tensors, cut)
    graph = onnx.GraphProto(name=model.graph.name or "prefix", node=nodes)
    graph.initializer.extend(weight for weight in model.graph.initializer if weight.name in needed)
    graph.sparse_initializer.extend(w for w in model.graph.sparse_initializer if w.values.name in needed)
    graph.input.extend(value for value in model.graph.input if value.name in needed - cut)
    graph.input.extend(value for value in given if value.name in needed)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    truncated = onnx.ModelProto(ir_version=model.ir_version, graph=graph)
    truncated.opset_import.extend(model.opset_import)
    truncated.functions.extend(model.functions)
    return truncated


def take_any_rows(graph: onnx.GraphProto) -> None:
    """Makes reshapes to a constant shape with 1 row keep as many rows as they are given."""
    weights = {weight.name: weight for weight in graph.initializer}
    constants = {node.output[0]: node.attribute for node in graph.node if node.op_type == "Constant"}
    for node in graph.node:
        target = node.input[1] if node.op_type == "Reshape" and len(node.input) == 2 else ""
        sizes = _integers(weights[target]) if target in weights else _stated_integers(constants.get(target, ()))
        if len(sizes) > 1 and sizes[0] == 1:
            name = f"{node.output[0]}/any_rows"
            # In a reshape's target 0 means: as in the input.
            graph.initializer.append(numpy_helper.from_array(np.array([0, *sizes[1:]], np.int64), name))
            node.input[1] = name


def _integers(tensor: onnx.TensorProto) -> list[int]:
    values: list[int] = numpy_helper.to_array(tensor).reshape(-1).tolist()
    return values


def _stated_integers(attributes: Iterable[onnx.AttributeProto]) -> list[int]:
    """Of a Constant, which may hold a vector without a tensor; empty for one of another form."""
    for attribute in attributes:
        if attribute.name == "value":
            return _integers(attribute.t)
        if attribute.name == "value_ints":
            return list(attribute.ints)
    return []


def _ancestors(
    graph: onnx.GraphProto, tensors: Sequence[str], cut: AbstractSet[str]
) -> tuple[set[str], list[onnx.NodeProto]]:
    """The names that `tensors` depend on, themselves included, and the nodes between, in the graph's order.

    Nobody looks behind the tensors of `cut`.
    """
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    known = producers.keys() | _sources(graph)
    for name in tensors:
        if name not in known:
            raise UnknownLayerError(name, list(producers))
    needed, kept, waiting = set(tensors), set[int](), list(tensors)
    while waiting:
        name = waiting.pop()
        index = None if name in cut else producers.get(name)
        if index is None or index in kept:
            continue
        kept.add(index)
        new = set(_names_read(graph.node[index])) & known - needed
        needed |= new
        waiting += new
    return needed, [graph.node[index] for index in sorted(kept)]


def _sources(graph: onnx.GraphProto) -> set[str]:
    names = {value.name for value in graph.input} | {weight.name for weight in graph.initializer}
    return names | {weight.values.name for weight in graph.sparse_initializer}


def _names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Inputs of a node and every name its If, Loop or Scan bodies mention: those may come from outside the body."""
    yield from node.input
    for body in _bodies(node):
        yield from (value.name for value in body.output)
        for inner in body.node:
            yield from _names_read(inner)


def _bodies(node: onnx.NodeProto) -> Iterable[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _array(name: str, value: object) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise InvalidParameterError("layers", name, "it holds a sequence or a map; ask for a tensor")
    return value


def _declared(name: str, dtype: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    """An input like this array, with any number of rows."""
    rows_of = [None, *shape[1:]] if shape else []
    return make_tensor_value_info(name, np_dtype_to_tensor_dtype(np.dtype(dtype)), rows_of)


def _as_float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _cannot_run(tensors: Sequence[str], error: Exception) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the graph up to {shown(', '.join(tensors))} cannot run: {shown(str(error), 200)}",
        "ask for another layer, or check the file with: python -m service check",
    )
