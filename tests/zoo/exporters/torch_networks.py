# ruff: noqa: T201, E501
# mypy: ignore-errors
"""Networks by both exporters of PyTorch: `python -m tests.zoo.exporters.torch_networks [NAME ...]`.

Weights are random, nothing is downloaded. Parameters are counted by PyTorch, MACs by its FlopCounterMode.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import onnx
import torch
import transformers
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.zoo.exporters.record import ZOO, record

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


def pytorchcv(path: str, **settings: Any) -> nn.Module:
    """`module.network` of pytorchcv; its own list of all networks cannot be imported without torchvision."""
    module, name = path.split(".")
    torch.manual_seed(0)
    network: nn.Module = getattr(import_module(f"pytorchcv.models.{module}"), name)(pretrained=False, **settings)
    return network


def recipes() -> Iterator[tuple[str, Recipe]]:
    yield from _transformers()
    yield from _pytorchcv()


def _transformers() -> Iterator[tuple[str, Recipe]]:
    def of(family: str, size: int, name: str, *outputs: str, **settings: Any) -> Recipe:
        return Recipe(family, "transformers", partial(hugging, name, *outputs, **settings), (3, size, size))

    basic = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "num_labels": 1000}
    resnet18 = of("ResNet", 224, "ResNetForImageClassification", config=basic)
    free = {"dynamic_shapes": {"pixel_values": {0: "batch", 2: "height", 3: "width"}}}
    yield "resnet18", resnet18
    yield "resnet18_unfolded", replace(resnet18, options={"optimize": False})
    yield "resnet18_free_size", replace(resnet18, size=(3, 96, 64), options=free)
    yield (
        "resnet50_small",
        of("ResNet", 64, "ResNetForImageClassification", hidden_sizes=[64, 128, 256, 512], embedding_size=16),
    )
    yield "regnet_y", of(
        "RegNet", 64, "RegNetForImageClassification",
        hidden_sizes=[24, 56, 152, 368], depths=[1, 1, 4, 7], groups_width=8, layer_type="y",
    )  # fmt: skip
    yield "mobilenet_v1", of("MobileNet", 96, "MobileNetV1ForImageClassification", depth_multiplier=0.5)
    yield "mobilenet_v2", of("MobileNet", 96, "MobileNetV2ForImageClassification", depth_multiplier=0.5)
    yield "efficientnet_b0", of(
        "EfficientNet", 64, "EfficientNetForImageClassification", width_coefficient=1.0, depth_coefficient=1.0,
        hidden_dim=1280,
    )  # fmt: skip
    yield (
        "convnext",
        of("ConvNeXt", 64, "ConvNextForImageClassification", depths=[1, 1, 3, 1], hidden_sizes=[24, 48, 96, 192]),
    )
    yield (
        "convnext_v2",
        of("ConvNeXt", 64, "ConvNextV2ForImageClassification", depths=[1, 1, 3, 1], hidden_sizes=[24, 48, 96, 192]),
    )
    vit = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    yield "vit", of("Vision transformer", 64, "ViTForImageClassification", image_size=64, **vit)
    yield "deit", of("Vision transformer", 64, "DeiTForImageClassification", image_size=64, **vit)
    yield (
        "swin",
        of(
            "Swin",
            64,
            "SwinForImageClassification",
            image_size=64,
            embed_dim=24,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        ),
    )
    yield (
        "segformer",
        of("SegFormer", 64, "SegformerForSemanticSegmentation", depths=[1, 1, 1, 1], decoder_hidden_size=64),
    )
    yield (
        "poolformer",
        of("PoolFormer", 64, "PoolFormerForImageClassification", depths=[1, 1, 2, 1], hidden_sizes=[32, 64, 96, 128]),
    )
    yield "levit", of("LeViT", 64, "LevitForImageClassification", image_size=64)
    yield "mobilevit", of("MobileViT", 64, "MobileViTForImageClassification", hidden_sizes=[48, 64, 80])
    yield "mobilevit_v2_segmentation", of("MobileViT", 64, "MobileViTV2ForSemanticSegmentation", width_multiplier=0.5)
    yield (
        "bit",
        of(
            "BiT",
            64,
            "BitForImageClassification",
            hidden_sizes=[64, 128, 192, 256],
            depths=[1, 1, 2, 1],
            embedding_size=32,
            num_groups=8,
        ),
    )
    yield (
        "focalnet",
        of("FocalNet", 64, "FocalNetForImageClassification", image_size=64, embed_dim=24, depths=[1, 1, 2, 1]),
    )
    yield "van", of("VAN", 64, "VanForImageClassification", hidden_sizes=[16, 32, 64, 96], depths=[1, 1, 2, 1])
    yield (
        "pvt",
        of(
            "PVT",
            64,
            "PvtForImageClassification",
            image_size=64,
            hidden_sizes=[16, 32, 64, 96],
            depths=[1, 1, 2, 1],
            num_attention_heads=[1, 2, 4, 6],
        ),
    )
    yield (
        "swiftformer",
        of("SwiftFormer", 64, "SwiftFormerForImageClassification", embed_dims=[24, 32, 48, 64], depths=[1, 1, 2, 1]),
    )
    yield (
        "yolos",
        of(
            "DETR",
            64,
            "YolosForObjectDetection",
            "logits",
            "pred_boxes",
            image_size=[64, 64],
            num_detection_tokens=10,
            **vit,
        ),
    )
    yield "dpt_depth", of(
        "DPT", 64, "DPTForDepthEstimation", "predicted_depth", image_size=64, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 32, 48, 64], fusion_hidden_size=32, **{**vit, "num_hidden_layers": 4},
    )  # fmt: skip
    yield "swin2sr", of(
        "Swin2SR", 32, "Swin2SRForImageSuperResolution", "reconstruction", image_size=32, embed_dim=24, depths=[2, 2], num_heads=[2, 2],
        window_size=8, upscale=2,
    )  # fmt: skip
    yield (
        "hiera",
        of(
            "Hiera",
            64,
            "HieraForImageClassification",
            image_size=[64, 64],
            embed_dim=24,
            depths=[1, 1, 2, 1],
            num_heads=[1, 2, 4, 8],
        ),
    )
    yield "upernet", Recipe("UPerNet", "transformers", _upernet, (3, 64, 64))
    yield "rt_detr", Recipe("DETR", "transformers", _rt_detr, (3, 64, 64))


_SMALL_RESNET = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "embedding_size": 16, "layer_type": "basic"}


def _backbone(*features: str) -> Any:
    return transformers.ResNetConfig(**_SMALL_RESNET, out_features=list(features))


def _upernet() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.UperNetConfig(
        backbone_config=_backbone("stage1", "stage2", "stage3", "stage4"), hidden_size=32,
        use_auxiliary_head=False, num_labels=21,
    )  # fmt: skip
    return Tensors(transformers.UperNetForSemanticSegmentation(config), "logits")


def _rt_detr() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(
            **_SMALL_RESNET, out_features=["stage2", "stage3", "stage4"]
        ),
        encoder_in_channels=[32, 48, 64], d_model=32, encoder_hidden_dim=32, encoder_ffn_dim=64, decoder_ffn_dim=64,
        num_queries=20, decoder_layers=2, decoder_attention_heads=4, encoder_attention_heads=4, decoder_in_channels=[32, 32, 32],
        num_labels=10,
    )  # fmt: skip
    return Tensors(transformers.RTDetrForObjectDetection(config), "logits", "pred_boxes")


def _pytorchcv() -> Iterator[tuple[str, Recipe]]:
    def of(family: str, size: int, path: str, *, new: bool = False, **settings: Any) -> Recipe:
        return Recipe(family, "pytorchcv", partial(pytorchcv, path, **settings), (3, size, size), new)

    yield "alexnet", of("AlexNet", 224, "alexnet.alexnet")
    yield "alexnet_new", of("AlexNet", 224, "alexnet.alexnet", new=True)
    yield "squeezenet", of("SqueezeNet", 224, "squeezenet.squeezenet_v1_1")
    yield "shufflenet", of("ShuffleNet", 224, "shufflenet.shufflenet_g3_wd4")
    yield "shufflenet_v2", of("ShuffleNet", 224, "shufflenetv2.shufflenetv2_wd2", new=True)
    yield "bninception", of("Inception", 224, "bninception.bninception")
    yield "nasnet", of("NASNet", 224, "nasnet.nasnet_4a1056")
    yield "darts", of("DARTS", 224, "darts.darts")
    yield "seresnet10", of("SENet", 224, "seresnet.seresnet10")
    yield "resnext14", of("ResNeXt", 224, "resnext.resnext14_32x2d")
    yield "preresnet18", of("ResNet", 224, "preresnet.preresnet18_wd4", new=True)
    yield "darknet_tiny", of("Darknet", 224, "darknet.darknet_tiny")
    yield "ghostnet", of("GhostNet", 224, "ghostnet.ghostnet")
    yield "hrnet_w18", of("HRNet", 224, "hrnet.hrnet_w18_small_v1")
    yield "mobilenet_v3", of("MobileNet", 224, "mobilenetv3.mobilenetv3_small_w7d20", new=True)
    yield "octresnet10", of("OctResNet", 224, "octresnet.octresnet10_ad2")
    yield "mixnet", of("MixNet", 224, "mixnet.mixnet_s")
    yield "nin_cifar", of("NIN", 32, "nin_cifar.nin_cifar10")
    yield "resnet20_cifar", of("ResNet", 32, "resnet_cifar.resnet20_cifar10")
    yield "deeplabv3", of("DeepLab", 96, "deeplabv3.deeplabv3_resnetd50b_voc", new=True, in_size=(96, 96), aux=False)
    yield "bisenet", of("BiSeNet", 64, "bisenet.bisenet_resnet18_celebamaskhq", in_size=(64, 64))
    yield "centernet", of("CenterNet", 64, "centernet.centernet_resnet18_voc", in_size=(64, 64))
    yield "fastscnn", of("Fast-SCNN", 64, "fastscnn.fastscnn_cityscapes", new=True, in_size=(64, 64))
    yield "simplepose", of("Simple Pose", 64, "simplepose_coco.simplepose_resnet18_coco", in_size=(64, 64))
    yield "linknet", of("LinkNet", 64, "linknet.linknet_cityscapes", in_size=(64, 64))
    yield "erfnet", of("ERFNet", 64, "erfnet.erfnet_cityscapes", in_size=(64, 64))
    yield "unet", of("U-Net", 64, "unet.unet_cityscapes", new=True, in_size=(64, 64))


# Counted by hand: what the module does not tell.
_EXPLAINED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "swin": ({"what": "the masks of the shifted windows are constants of the file", "parameters": 5120},),
    "swin2sr": (
        {
            "what": "the networks that compute position biases are evaluated: a number for each pair of tokens in their place",
            "parameters": 22528,
            "macs": -1843200,
        },
        {"what": "the masks of the shifted windows are constants of the file", "parameters": 131072},
        {"what": "the mean colour that is added to the answer", "parameters": 3},
    ),
    "rt_detr": (
        {
            "what": "frozen batch norms, anchors, masks and position embeddings are constants of the file, heads are shared: not accounted for one by one",
            "parameters": 0,
            "not_compared": True,
            "macs": -64,
        },
    ),
}


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
    model = _as_trained(recipe.build()).eval()
    image = torch.randn(1, *recipe.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
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
        differences=[*_differences(model, image, exported), *_EXPLAINED.get(name, ())],
    )


def _as_trained(model: nn.Module) -> nn.Module:
    """Fresh biases are all zero and fresh scales all one, and the exporters drop what changes nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*model.parameters(), *(b for n, b in model.named_buffers() if "running_" in n)):
            if tensor.min() == tensor.max():
                tensor.add_(0.05 * torch.rand(tensor.shape, generator=generator))
    return model


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


def _differences(model: nn.Module, image: torch.Tensor, exported: onnx.ModelProto) -> Iterator[Mapping[str, Any]]:
    """Why the file holds another number of learned values than the module: each reason counted from the module."""
    yield from _folded(model, image, exported)
    yield from _unused(model, image)
    yield from _gathered(model)


def _folded(model: nn.Module, image: torch.Tensor, exported: onnx.ModelProto) -> Iterator[Mapping[str, Any]]:
    """Batch norms inside convolutions: scale and shift became one bias, or went into the bias there was."""
    makers: dict[int, tuple[nn.Module, torch.Tensor]] = {}
    pairs: list[tuple[nn.Module | None, Any]] = []
    names = {module: name for name, module in model.named_modules()}
    held = {tensor.name for tensor in exported.graph.initializer}

    def called(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, _BATCH_NORMS):
            pairs.append((makers.get(id(inputs[0]), (None,))[0], module))
        makers[id(output)] = (module, output)

    leaves = [module for module in model.modules() if isinstance(module, (*_BATCH_NORMS, *_WINDOWED))]
    hooks = [module.register_forward_hook(called) for module in leaves]
    with torch.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()
    gone = [(before, norm) for before, norm in pairs if f"{names[norm]}.weight" not in held]
    folded = [(before, norm) for before, norm in gone if isinstance(before, _WINDOWED)]
    behind_others = [(before, norm) for before, norm in gone if not isinstance(before, _WINDOWED)]
    kept = sum(node.op_type == "BatchNormalization" for node in exported.graph.node)
    if not pairs or kept == len(pairs):
        return
    if kept != len(pairs) - len(folded):
        print(f"  {len(pairs)} batch norms, {len(folded)} foldable, {kept} in the file: look why")
    yield {
        "what": f"{len(pairs) - kept} of {len(pairs)} batch norms are folded into the convolutions before them: "
        "scale and shift became one bias",
        "parameters": -sum(norm.num_features * (1 if before.bias is None else 2) for before, norm in folded)
        - (sum(norm.num_features for _, norm in behind_others) if len(gone) == len(pairs) - kept else 0),
    }


def _unused(model: nn.Module, image: torch.Tensor) -> Iterator[Mapping[str, Any]]:
    """Parts that only training uses, or nothing at all."""
    sum(tensor.sum() for tensor in _flat(model(image)) if tensor.requires_grad).backward()
    unused = {
        name: p.numel()
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None and not name.endswith("attention_biases")
    }
    if unused:
        parts = sorted({name.rpartition(".")[0].removeprefix("model.") for name in unused})
        shown = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
        yield {"what": f"no output depends on {shown}", "parameters": -sum(unused.values())}


def _gathered(model: nn.Module) -> Iterator[Mapping[str, Any]]:
    """Tables of relative positions are written out, one number for each pair of tokens."""
    more = 0
    for module in model.modules():
        if hasattr(module, "relative_position_bias_table") and hasattr(module, "relative_position_index"):
            table = module.relative_position_bias_table
            more += table.shape[1] * module.relative_position_index.numel() - table.numel()
        if hasattr(module, "attention_biases") and hasattr(module, "attention_bias_idxs"):
            more += module.attention_biases.shape[0] * module.attention_bias_idxs.numel()
            more -= module.attention_biases.numel()
    if more:
        yield {"what": "tables of relative positions are written out for each pair of tokens", "parameters": more}


if __name__ == "__main__":
    main(sys.argv[1:])
