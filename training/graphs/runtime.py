"""What ONNX Runtime answers for an exported model, as tensors. Knows no PyTorch network."""

import onnx
import onnxruntime
import torch
from torch import Tensor

from service.errors import CorruptModelError
from training.tensors import Images, Logits

BATCH = 500


def onnx_logits(model: onnx.ModelProto, images: Images) -> Logits:
    """The answers to all images, on the CPU, in batches of 500. Raises CorruptModelError if it does not run."""
    return torch.cat([outputs["logits"] for outputs in _outputs(model, images, ["logits"])])


def onnx_tensors(model: onnx.ModelProto, names: list[str], images: Images) -> dict[str, Tensor]:
    """Any tensors inside the graph for one batch, from a copy of the model that gives them as outputs."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    outputs = {output.name for output in opened.graph.output}
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in outputs)
    (answer,) = _outputs(opened, images[:BATCH], names)
    return answer


def _outputs(model: onnx.ModelProto, images: Images, names: list[str]) -> list[dict[str, Tensor]]:
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        answers = [session.run(names, {"image": batch.numpy()}) for batch in torch.split(images, BATCH)]
    except Exception as error:  # ONNX Runtime's errors have no other base in common
        first_line = str(error).partition("\n")[0]
        raise CorruptModelError(f"ONNX Runtime cannot run the model: {first_line}", "export it again") from error
    return [dict(zip(names, map(torch.from_numpy, answer), strict=True)) for answer in answers]
