"""Trains CNN image classifiers and exports each as one self-describing ONNX file. Knows no HTTP."""

import service  # noqa: F401 - it switches ONNX Runtime's telemetry off, which must happen before that is imported
