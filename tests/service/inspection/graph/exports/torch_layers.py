"""Writes the exports that lie beside this file: `python -m tests.service.inspection.graph.exports.torch_layers`.

One network with a layer of most kinds that torch.onnx writes as several nodes, by both of its exporters.
"""

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent
_KEPT_METADATA = frozenset({"pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes"})


class Block(nn.Module):
    """A residual block whose activation is a function and whose channels change places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, groups=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        halves = self.conv(x).view(batch, 2, channels // 2, height, width)
        shuffled = halves.transpose(1, 2).reshape(batch, channels, height, width)
        return torch.relu(shuffled + x)


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.lrn = nn.LocalResponseNorm(5, alpha=0.02, beta=0.6, k=2.0)
        self.lrn_even = nn.LocalResponseNorm(4)
        self.group_norm = nn.GroupNorm(2, 8)
        self.plain_group_norm = nn.GroupNorm(4, 8, affine=False)
        self.gelu = nn.GELU()
        self.tanh_gelu = nn.GELU(approximate="tanh")
        self.silu = nn.SiLU()
        self.gate = nn.Sigmoid()
        self.mish = nn.Mish()
        self.hard_swish = nn.Hardswish()
        self.hard_sigmoid = nn.Hardsigmoid()
        self.relu6 = nn.ReLU6()
        self.dropout = nn.Dropout()
        self.block = Block(8)
        self.wide = nn.Conv2d(8, 16, 1)
        self.pixel_shuffle = nn.PixelShuffle(2)
        self.padding = nn.ZeroPad2d((1, 0, 1, 0))
        self.padded = nn.Conv2d(4, 8, 3, stride=2)
        self.softplus = nn.Softplus()
        self.glu = nn.GLU(1)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.layer_norm = nn.LayerNorm(4)
        self.hidden = nn.Linear(4, 8)
        self.classes = nn.Linear(8, 10)
        self.softmax = nn.Softmax(1)
        random = torch.Generator().manual_seed(0)
        for name, tensor in self.state_dict().items():  # no two weights alike: exporters merge equal ones
            if tensor.is_floating_point():
                tensor.copy_(0.3 * torch.rand(tensor.shape, generator=random) + ("var" in name) - 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lrn_even(self.lrn(self.relu(self.bn(self.conv(x)))))
        x = self.plain_group_norm(self.group_norm(x))
        x = self.silu(self.tanh_gelu(self.gelu(x)))
        x = x * self.gate(x)
        x = self.relu(self.dropout(self.hard_sigmoid(self.hard_swish(self.mish(x)))))
        x = self.block(self.relu6(4 * x))
        x = self.padded(self.padding(self.pixel_shuffle(self.wide(x))))
        x = self.flatten(self.mean(self.glu(self.softplus(x))))
        x = self.hidden(self.layer_norm(x))
        probabilities: Tensor = self.softmax(self.classes(x))
        return probabilities


def main() -> None:
    network = Layers().eval()
    for name, new in (("torch_layers", True), ("torch_layers_earlier", False)):
        path = FOLDER / f"{name}.onnx"
        torch.onnx.export(network, (torch.rand(1, 3, 16, 16),), path, dynamo=new, input_names=["image"])
        model = onnx.load(path)
        for node in model.graph.node:
            kept = [entry for entry in node.metadata_props if entry.key in _KEPT_METADATA]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
        del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
        onnx.save(model, path)
        path.with_suffix(".onnx.data").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
