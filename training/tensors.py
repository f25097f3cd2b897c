"""The shapes and types of training's tensors, named once; `service.arrays` is their counterpart in NumPy."""

from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

Images = UInt8[Tensor, "images height width channels"]
Labels = Int64[Tensor, " images"]
SoftLabels = Float32[Tensor, "images classes"]
Pixels = Shaped[Tensor, "images height width channels"]
WarpedImages = Float32[Tensor, "images height width channels"]
Logits = Float32[Tensor, "images classes"]
