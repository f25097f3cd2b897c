"""ONNX graphs: made from a network, compared with it, in fewer bits. No file of the repository is known here."""
