# ruff: noqa: T201
# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,unused-ignore"
"""Networks of Keras applications, by tf2onnx: `python -m tests.zoo.exporters.keras_networks [NAME ...]`.

Weights are random, nothing is downloaded. Parameters are counted by Keras, MACs by TensorFlow's profiler: half of the
floating-point operations of its convolutions and matrix products.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from math import prod
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import onnx

from tests.zoo.exporters.record import ZOO, record

_MULTIPLY = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Conv2DBackpropInput"})


@dataclass(frozen=True)
class Recipe:
    family: str
    build: Callable[[], Any]
    exporter: str = "tf2onnx"


def recipes() -> Iterator[tuple[str, Recipe]]:
    def of(family: str, size: int, name: str, *, exporter: str = "tf2onnx", **settings: Any) -> Recipe:
        chosen = {"weights": None, "input_shape": (size, size, 3), "classes": 10} | settings
        return Recipe(family, partial(getattr(keras.applications, name), **chosen), exporter)

    if keras.backend.backend() == "torch":
        yield "keras_torch_mobilenet_v2", of("MobileNet", 64, "MobileNetV2", exporter="keras", alpha=0.35)
        yield "keras_torch_resnet50_v2", of("ResNet", 64, "ResNet50V2", exporter="keras")
        return
    yield "keras_mobilenet", of("MobileNet", 64, "MobileNet", alpha=0.5)
    yield "keras_mobilenet_v2", of("MobileNet", 64, "MobileNetV2", alpha=0.5)
    yield "keras_mobilenet_v3", of("MobileNet", 64, "MobileNetV3Small", exporter="keras")
    yield "keras_resnet50", of("ResNet", 64, "ResNet50")
    yield "keras_densenet121", of("DenseNet", 64, "DenseNet121")
    yield "keras_xception", of("Xception", 96, "Xception")
    yield "keras_efficientnet_b0", of("EfficientNet", 64, "EfficientNetB0")
    yield "keras_efficientnet_v2", of("EfficientNet", 64, "EfficientNetV2B0", exporter="keras")
    yield "keras_nasnet", of("NASNet", 64, "NASNetMobile", include_top=False, classes=1000, pooling="avg")
    yield "keras_vgg16", of("VGG", 32, "VGG16", include_top=False, classes=1000, pooling="max")
    yield "keras_inception_v3", of("Inception", 96, "InceptionV3", exporter="keras")
    yield "keras_convnext", of("ConvNeXt", 64, "ConvNeXtTiny")
    yield "keras_unet", Recipe("U-Net", unet)
    yield "keras_srcnn", Recipe("SRCNN", srcnn, "keras")


def unet() -> Any:
    """O. Ronneberger et al., 2015, with padding, as Keras' own segmentation example writes it; three levels."""
    layers = keras.layers
    image = keras.Input((48, 64, 3))
    x, skips = image, []
    for filters in (8, 16):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    for filters, skip in zip((16, 8), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
        x = layers.Concatenate()([x, skip])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Conv2D(4, 1, activation="softmax")(x))


def srcnn() -> Any:
    """C. Dong et al., 2014: 9-1-5, behind an enlargement."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((24, 32, 1)),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Conv2D(64, 9, padding="same", activation="relu"),
            layers.Conv2D(32, 1, activation="relu"),
            layers.Conv2D(1, 5, padding="same"),
        ]
    )


def main(names: list[str]) -> None:
    for name, recipe in recipes():
        if name in names or (not names and not (ZOO / f"{name}.onnx.xz").exists()):
            try:
                _make(name, recipe)
            except Exception as failure:
                print(f"FAILED {name}: {type(failure).__name__} {str(failure)[:300]}")
                if names:
                    raise


def _make(name: str, recipe: Recipe) -> None:
    keras.utils.set_random_seed(0)
    network = recipe.build()
    shape = (1, *network.input_shape[1:])
    _as_trained(network)
    network(np.zeros(shape, np.float32))
    exported = _by_tf2onnx(network, shape) if recipe.exporter == "tf2onnx" else _by_keras(network, shape)
    backend = keras.backend.backend()
    runtime = version("tensorflow-cpu" if backend == "tensorflow" else backend)
    writer = f"Keras model.export(format='onnx') on {backend} {runtime}"
    record(
        exported,
        name,
        family=recipe.family,
        source=f"keras {version('keras')}"
        + (" (written here with its layers)" if callable(globals().get(name[6:])) else ""),
        exporter=f"tf2onnx {version('tf2onnx')}" if recipe.exporter == "tf2onnx" else writer,
        input_shape=shape,
        output_shapes=[(1, *network.output_shape[1:])],
        trainable=sum(prod(weight.shape) for weight in network.trainable_weights),
        parameters=network.count_params(),
        macs=_macs(network, shape) if backend == "tensorflow" else None,
        macs_by="tf.compat.v1.profiler" if backend == "tensorflow" else None,
        differences=list(_folded(network, exported)),
    )


def _by_tf2onnx(network: Any, shape: tuple[int, ...]) -> onnx.ModelProto:
    import tensorflow as tf  # noqa: PLC0415
    import tf2onnx  # noqa: PLC0415

    del shape
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="image")]
    function = tf.function(lambda image: network(image, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    assert isinstance(model, onnx.ModelProto)
    return model


def _by_keras(network: Any, shape: tuple[int, ...]) -> onnx.ModelProto:
    del shape
    with tempfile.TemporaryDirectory() as folder:
        network.export(f"{folder}/network.onnx", format="onnx", verbose=False)
        return onnx.load_model(f"{folder}/network.onnx")


def _macs(network: Any, shape: tuple[int, ...]) -> int:
    import tensorflow as tf  # noqa: PLC0415
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: PLC0415

    function = tf.function(lambda image: network(image, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32)
    )
    frozen = convert_variables_to_constants_v2(function)
    profile = tf.compat.v1.profiler
    options = profile.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found = profile.profile(frozen.graph, cmd="op", options=options)
    return int(sum(each.float_ops for each in _listed(found) if each.name in _MULTIPLY) // 2)


def _listed(node: Any) -> Iterator[Any]:
    """The profiler chains its operators: each holds the next one; a node's own number is total minus the rest."""
    while True:
        children = list(node.children)
        yield node
        if not children:
            return
        (node,) = children


def _folded(network: Any, exported: onnx.ModelProto) -> Iterator[dict[str, Any]]:
    """A batch norm behind a convolution without a bias is folded into it: scale and shift became one bias.

    Others, and those behind depthwise convolutions, are a Mul and an Add with as many numbers as before.
    """
    norms = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    before = [(norm.input._keras_history.operation, norm) for norm in norms]
    linear = keras.activations.linear
    convs = (keras.layers.Conv2D, keras.layers.SeparableConv2D)
    folded = [
        norm for layer, norm in before if isinstance(layer, convs) and not layer.use_bias and layer.activation is linear
    ]
    if (
        not folded
        or keras.backend.backend() == "torch"
        or any(node.op_type == "BatchNormalization" for node in exported.graph.node)
    ):
        return
    yield {
        "what": f"{len(folded)} of {len(norms)} batch norms are folded into the convolutions before them: "
        "scale and shift became one bias",
        "parameters": -sum(norm.moving_mean.shape[0] for norm in folded if norm.scale),
    }


def _as_trained(network: Any) -> None:
    """Fresh biases are all zero and fresh scales all one, and the exporters drop what changes nothing."""
    random = np.random.default_rng(0)
    for weight in network.weights:
        value = np.asarray(weight)
        if value.size and value.min() == value.max():
            weight.assign(value + 0.05 * random.random(value.shape))


if __name__ == "__main__":
    main(sys.argv[1:])
