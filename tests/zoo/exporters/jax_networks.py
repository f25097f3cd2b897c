# ruff: noqa: T201
# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,unused-ignore"
"""Networks of flax by jax2onnx, whose wheel holds them as examples: `python -m tests.zoo.exporters.jax_networks`.

Weights are random, nothing is downloaded. Parameters are counted by flax, which counts no MACs.
"""

from importlib import import_module
from importlib.metadata import version
from math import prod
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax2onnx import to_onnx

from tests.zoo.exporters.record import record

_EXAMPLES = "jax2onnx.plugins.examples.nnx"


def main() -> None:
    random = nnx.Rngs(0)
    cnn = import_module(f"{_EXAMPLES}.cnn").CNN(rngs=random)
    block = import_module(f"{_EXAMPLES}.channel_attention_resblock")
    classes = [value for value in vars(block).values() if isinstance(value, type) and issubclass(value, nnx.Module)]
    print([each.__name__ for each in classes])
    _make("flax_cnn", "LeNet", cnn, (1, 28, 28, 1))


def _make(name: str, family: str, network: Any, shape: tuple[int, ...]) -> None:
    state = nnx.state(network, nnx.Param)
    generator = np.random.default_rng(0)

    def trained(value: Any) -> Any:
        """Fresh biases are all zero, and exporters drop what changes nothing."""
        same = value.size > 1 and float(value.min()) == float(value.max())
        return value + 0.05 * generator.random(value.shape).astype(np.float32) if same else value

    nnx.update(network, jax.tree.map(trained, state))
    answer = network(np.zeros(shape, np.float32))
    count = sum(prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    record(
        to_onnx(network, [shape], model_name=name),
        name,
        family=family,
        source=f"flax {version('flax')}, an example of jax2onnx {version('jax2onnx')}",
        exporter=f"jax2onnx {version('jax2onnx')}",
        input_shape=shape,
        output_shapes=[answer.shape],
        trainable=count,
        parameters=count,
        macs=None,
        macs_by=None,
    )


if __name__ == "__main__":
    main()
