"""Training images changed by chance, on the device that they are on. Knows no network.

`batches` puts it together: the pixels and targets of a batch. `draws` holds the chance, `applied` the changes.
"""

from training.augmentation.applied import augmented
from training.augmentation.batches import pixels_and_targets
from training.augmentation.draws import Draws, drawn
from training.augmentation.mixing import mixed, mixed_targets, targets

__all__ = ["Draws", "augmented", "drawn", "mixed", "mixed_targets", "pixels_and_targets", "targets"]
