"""Fovea's service: classifies images with ONNX models and shows what every layer saw. Never imports torch."""

import os

# ONNX Runtime reads it at import and reports to its maker otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
