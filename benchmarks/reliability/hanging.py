"""python -m benchmarks.reliability.hanging serve ...: the service with a decoder that never returns from some images.

No file is known that does this to it. Those of HANGING_SIDE pixels a side stand for one that will be found.
"""

import sys
import threading
from typing import Any

from service import __main__
from service.api import classification

HANGING_SIDE = 333
_honest = classification.network_input
_MARK = HANGING_SIDE.to_bytes(4, "big") * 2  # a PNG's width and height stand together in its header


def _hanging(data: bytes, *args: Any) -> Any:
    if data[16:24] == _MARK:
        threading.Event().wait()
    return _honest(data, *args)


if __name__ == "__main__":
    classification.network_input = _hanging
    sys.exit(__main__.main())
