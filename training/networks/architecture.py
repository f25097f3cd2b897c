"""What a network is before it is built: the function that builds it, and the pictures that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

InputShape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Architecture:
    """`build(classes)` gives the modules with random weights, for pixels as decoded, uint8 of [batch, *input_shape].

    `classes` is what the comments and the parameter count of `build` are stated for.
    """

    build: Callable[[int], nn.Module]
    input_shape: InputShape
    classes: int = 10

    def published(self) -> nn.Module:
        """As its comments state it."""
        return self.build(self.classes)
