"""The shapes and types of arrays, named once.

The names after the type are the axes. Tests check them on every call (see tests/conftest.py); production does not.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64, Shaped, UInt8

Pixels = UInt8[np.ndarray, "height width channels"]
NetworkInput = Shaped[np.ndarray, "a b c"]
InputBatch = Shaped[np.ndarray, "batch a b c"]
Scores = Float32[np.ndarray, "batch classes"]
Probabilities = Float32[np.ndarray, "batch classes"]
ClassScores = Float[np.ndarray, " classes"]
FeatureMaps = Float[np.ndarray, "channels height width"]
SomeMaps = Float[np.ndarray, "_ _ _"]  # as FeatureMaps, where those of several layers are named in one call
Variations = Float[np.ndarray, "variations channels height width"]
ChannelWeights = Float64[np.ndarray, " channels"]
EvidenceMap = Float64[np.ndarray, "height width"]
