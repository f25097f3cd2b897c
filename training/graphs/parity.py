"""The gate before publishing: PyTorch and ONNX Runtime must give the same answers. Writes nothing."""

import torch
from torch import Tensor, nn

from training.errors import ParityError
from training.evaluation import torch_logits
from training.graphs.export import Exported
from training.graphs.runtime import onnx_logits, onnx_tensors
from training.tensors import Images, Logits

TOLERANCE = 1e-4
LAYER_IMAGES = 16


def check_parity(network: nn.Module, graph: Exported, images: Images) -> Logits:
    """ONNX Runtime's logits for `images`, once they have passed: within 1e-4 of PyTorch's and the same top-1 for all.

    The outputs of every layer of the manifest are compared too, on the first 16 images, within 1e-4 of the layer's
    largest value. Raises ParityError.
    """
    answers, expected = onnx_logits(graph.model, images), torch_logits(network, images)
    _check_close("logits", answers, expected, TOLERANCE)
    changed = int((answers.argmax(1) != expected.argmax(1)).sum())
    if changed:
        raise ParityError(f"another class for {changed} of {len(images)} images")
    _check_layers(network, graph, images[:LAYER_IMAGES])
    return answers


def layer_outputs(network: nn.Module, layers: list[str], images: Images) -> dict[str, Tensor]:
    """What each named module gives for these images; of a module used several times the last."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> torch.utils.hooks.RemovableHandle:
        # In-place activations may overwrite a tensor after the hook has seen it, hence the clone.
        return network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output: outputs.__setitem__(name, output.clone())
        )

    hooks = [keep(name) for name in layers]
    try:
        torch_logits(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _check_layers(network: nn.Module, graph: Exported, images: Images) -> None:
    tensors = onnx_tensors(graph.model, [layer.tensor for layer in graph.layers], images)
    expected = layer_outputs(network, [layer.id for layer in graph.layers], images)
    for layer in graph.layers:
        output = expected[layer.id]
        # Inner values may be in the hundreds, where float32 itself is coarser than 1e-4.
        _check_close(f"layer {layer.id}", tensors[layer.tensor], output, TOLERANCE * max(1, output.abs().max().item()))


def _check_close(what: str, answers: Tensor, expected: Tensor, tolerance: float) -> None:
    if answers.shape != expected.shape:
        raise ParityError(f"{what} has shape {list(answers.shape)}, not {list(expected.shape)}")
    difference = (answers - expected).abs().max().item()
    if not difference <= tolerance:  # NaN is no agreement
        raise ParityError(f"{what} differs by {difference:.3g}, more than {tolerance:.3g}")
