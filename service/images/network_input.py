"""The bytes of an image file to what one network takes: the one way from outside, for serving and for training.

Decoding is told what the pixels are for, so it must never be told another thing than preprocessing is.
"""

from service.arrays import NetworkInput, Pixels
from service.images.decoding import ImageLimits, decode_for
from service.images.preprocessing import Preprocessing, normalized, received


def picture(data: bytes, limits: ImageLimits, preprocessing: Preprocessing) -> Pixels:
    """The exact picture the network is given, before any arithmetic. Raises what `decode` raises."""
    decoded = decode_for(preprocessing, data, limits)
    return received(decoded.image, preprocessing, decoded.extent)


def network_input(data: bytes, limits: ImageLimits, preprocessing: Preprocessing) -> NetworkInput:
    """One network input, without the batch axis. Raises what `decode` raises."""
    return normalized(picture(data, limits, preprocessing), preprocessing)
