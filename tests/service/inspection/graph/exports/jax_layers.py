# mypy: ignore-errors
"""Writes jax_layers.onnx: `python jax_layers.py`, with jax2onnx and flax, which the project does not install."""

from pathlib import Path

from flax import nnx
from jax import Array
from jax2onnx import to_onnx


class Layers(nnx.Module):
    def __init__(self, random: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(3, 8, (3, 3), rngs=random)
        self.batch_norm = nnx.BatchNorm(8, use_running_average=True, rngs=random)
        self.conv2 = nnx.Conv(8, 16, (3, 3), strides=2, rngs=random)
        self.layer_norm = nnx.LayerNorm(16, rngs=random)
        self.group_norm = nnx.GroupNorm(16, num_groups=4, rngs=random)
        self.dense = nnx.Linear(16, 10, rngs=random)

    def __call__(self, x: Array) -> Array:
        x = nnx.relu(self.batch_norm(self.conv1(x)))
        x = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = nnx.gelu(self.conv2(x))
        x = nnx.hard_swish(self.group_norm(nnx.silu(self.layer_norm(x))))
        return nnx.softmax(self.dense(nnx.leaky_relu(x).mean((1, 2))))


if __name__ == "__main__":
    to_onnx(
        Layers(nnx.Rngs(0)), [(1, 16, 16, 3)], return_mode="file", output_path=Path(__file__).parent / "jax_layers.onnx"
    )
