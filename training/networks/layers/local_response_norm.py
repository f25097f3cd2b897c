"""Local response normalisation (Krizhevsky et al. 2012), as a module that the exporter gives as one node."""

import torch
from torch import Tensor, nn


class LocalResponseNorm(nn.LocalResponseNorm):
    """x / (k + alpha / size * sum of the squares of `size` neighbouring channels) ** beta; nothing is trained.

    torch's own layer, which leaves nine nodes in an exported graph. ValueError for an even size: ONNX Runtime refuses
    it, and torch and ONNX disagree which channels it means (pytorch issue 75722).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        if size % 2 == 0:
            raise ValueError(f"LocalResponseNorm over {size} channels has no middle one; give an odd size")
        super().__init__(size, alpha, beta, k)

    def forward(self, features: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return super().forward(features)
        return torch.onnx.ops.symbolic(
            "LRN",
            (features,),
            {"size": self.size, "alpha": self.alpha, "beta": self.beta, "bias": self.k},
            dtype=features.dtype,
            shape=features.shape,
            version=13,
        )
