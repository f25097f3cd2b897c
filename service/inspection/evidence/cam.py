"""The maps of a layer added up to one map of evidence. Pure: knows no network, no class and no picture.

CAM: B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016. Grad-CAM: R. Selvaraju et al.,
ICCV 2017. Ablation-CAM: S. Desai, H. Ramaswamy, WACV 2020. Eigen-CAM: M. Muhammad, M. Yeasin, IJCNN 2020.
"""

import numpy as np

from service.arrays import ChannelWeights, EvidenceMap, FeatureMaps


def weighted_sum(weights: ChannelWeights, maps: FeatureMaps) -> EvidenceMap:
    """sum_k weights[k] * maps[k]; below zero where the layer speaks against the class."""
    found: EvidenceMap = np.tensordot(weights, maps.astype(np.float64), axes=1)
    return found


def principal_component(maps: FeatureMaps) -> tuple[EvidenceMap, ChannelWeights]:
    """What the channels show together: their first principal component over the positions, and its weights.

    Each channel's mean is taken off first. A component's sign means nothing: it is turned so that the value of largest
    magnitude is positive. Takes 0.1 s for 256x56x56.
    """
    channels, height, width = maps.shape
    positions = maps.reshape(channels, -1).T.astype(np.float64)
    centred = positions - positions.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ directions[0]
    sign = -1.0 if projected[np.abs(projected).argmax()] < 0 else 1.0
    return (sign * projected).reshape(height, width), sign * directions[0]


def positive(evidence: EvidenceMap) -> EvidenceMap:
    """What speaks for the class alone."""
    return np.asarray(np.maximum(evidence, 0))


def enlarged(evidence: EvidenceMap, positions: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """[rows, columns] at these positions in cells: linear from centre to centre, constant beyond the outermost."""
    down, across = (np.clip(along, 0, cells - 1) for along, cells in zip(positions, evidence.shape, strict=True))
    rows = np.stack([np.interp(down, range(evidence.shape[0]), column) for column in evidence.T], axis=1)
    return np.array([np.interp(across, range(evidence.shape[1]), row) for row in rows])
