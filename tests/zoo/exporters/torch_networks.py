# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,unused-ignore"
"""Networks of PyTorch libraries, by both exporters of PyTorch: `python -m tests.zoo.exporters.torch_networks [NAME ...]`.

Weights are random, nothing is downloaded. Parameters are counted by PyTorch, MACs by its FlopCounterMode.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import onnx
import torch
import transformers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.zoo.exporters.record import record

torch.manual_seed(0)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_WINDOWED = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Recipe:
    family: str
    source: str
    build: Callable[[], nn.Module]
    size: tuple[int, ...] = (3, 64, 64)
    new: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


class Tensors(nn.Module):
    """The tensors of a transformers model's answer, without what only training uses."""

    def __init__(self, model: nn.Module, *names: str) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, pixel_values: torch.Tensor) -> Any:
        answer = self.model(pixel_values)
        return tuple(answer[name] for name in self.names)


def hugging(name: str, *outputs: str, config: Mapping[str, Any] | None = None, **settings: Any) -> nn.Module:
    """A transformers model class by its name, from its own configuration class."""
    model_class = getattr(transformers, name)
    torch.manual_seed(0)
    return Tensors(model_class(model_class.config_class(**{**(config or {}), **settings})), *(outputs or ("logits",)))


def cv(name: str, **settings: Any) -> nn.Module:
    from pytorchcv.model_provider import get_model  # noqa: PLC0415

    return get_model(name, pretrained=False, **settings)


def recipes() -> Iterator[tuple[str, Recipe]]:
    hf, pcv = "transformers", "pytorchcv"
    basic = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "num_labels": 1000}

    def resnet() -> nn.Module:
        return hugging("ResNetForImageClassification", config=basic)

    yield "resnet18_torch", Recipe("ResNet", hf, resnet, (3, 224, 224))
    yield "resnet18_unfolded", Recipe("ResNet", hf, resnet, (3, 224, 224), options={"optimize": False})
    yield "resnet18_dynamic", Recipe(
        "ResNet", hf, resnet, (3, 96, 96),
        options={"dynamic_shapes": {"pixel_values": {0: "batch", 2: "height", 3: "width"}}},
    )  # fmt: skip
    yield "densenet121_old", Recipe("DenseNet", pcv, lambda: cv("densenet121", in_size=(64, 64)), new=False)
    yield "squeezenet_old", Recipe("SqueezeNet", pcv, lambda: cv("squeezenet_v1_1", in_size=(224, 224)), (3, 224, 224), new=False)


def main(names: list[str]) -> None:
    for name, recipe in recipes():
        if not names or name in names:
            try:
                _make(name, recipe)
            except Exception as failure:  # noqa: BLE001
                print(f"{name}: {type(failure).__name__} {str(failure)[:600]}")


def _make(name: str, recipe: Recipe) -> None:
    model = recipe.build().eval()
    image = torch.randn(1, *recipe.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answer = model(image)
    exported = _new(model, image, recipe) if recipe.new else _old(model, image, recipe)
    record(
        exported,
        name,
        family=recipe.family,
        source=f"{recipe.source} {version(recipe.source)}",
        exporter=f"torch.onnx {version('torch')}, dynamo={recipe.new}"
        + "".join(f", {key}={value}" for key, value in recipe.options.items()),
        input_shape=(1, *recipe.size),
        output_shapes=[tuple(tensor.shape) for tensor in _flat(answer)],
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        parameters=sum(p.numel() for p in (*model.parameters(), *model.buffers())),
        macs=counter.get_total_flops() // 2,
        macs_by="torch.utils.flop_counter.FlopCounterMode",
        differences=list(_folded(model, image, exported)),
    )


def _new(model: nn.Module, image: torch.Tensor, recipe: Recipe) -> onnx.ModelProto:
    program = torch.onnx.export(model, (image,), dynamo=True, verbose=False, **recipe.options)
    assert program is not None
    return program.model_proto


def _old(model: nn.Module, image: torch.Tensor, recipe: Recipe) -> onnx.ModelProto:
    file = io.BytesIO()
    torch.onnx.export(model, (image,), file, dynamo=False, verbose=False, **recipe.options)
    return onnx.load_model_from_string(file.getvalue())


def _flat(answer: Any) -> list[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        return [answer]
    values = answer.values() if isinstance(answer, Mapping) else answer
    return [tensor for value in values for tensor in _flat(value)]


def _folded(model: nn.Module, image: torch.Tensor, exported: onnx.ModelProto) -> Iterator[Mapping[str, Any]]:
    """Batch norms inside convolutions: scale and shift became one bias, or went into the bias there was."""
    called: list[nn.Module] = []
    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(lambda module, *_: called.append(module)) for module in leaves]
    with torch.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()
    pairs = [(before, norm) for before, norm in pairwise(called) if isinstance(norm, _BATCH_NORMS)]
    folded = [pair for pair in pairs if isinstance(pair[0], _WINDOWED)]
    kept = sum(node.op_type == "BatchNormalization" for node in exported.graph.node)
    if kept == len(pairs):
        return
    if kept != len(pairs) - len(folded):
        print(f"  {len(pairs)} batch norms, {len(folded)} foldable, {kept} in the file: look why")
    lost = sum(norm.num_features * (1 if before.bias is None else 2) for before, norm in folded)
    yield {
        "what": f"{len(pairs) - kept} of {len(pairs)} batch norms are folded into the convolutions before them: "
        "scale and shift became one bias",
        "parameters": -lost,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
