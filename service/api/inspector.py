"""Questions about the inside of a network, answered beside the classifiers and never in their way. Knows no route."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from onnxruntime import InferenceSession

from service.engine.model_file import ModelFile
from service.errors import DeadlineExceededError
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from service.inspection.stopping import Stop, current

Result = TypeVar("Result")

_NETWORKS = 8  # kept parsed, with what is worked out of them


class Inspector:
    """One thread; work that nobody waits for any more is stopped at its next `stopping.check()` or run."""

    def __init__(self, create: Callable[[bytes], InferenceSession], max_bytes: int) -> None:
        self._sessions = PrefixSessions(create, max_bytes)
        self._networks: OrderedDict[str, Network] = OrderedDict()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="inspector")

    async def ask(self, work: Callable[..., Result], *args: Any, seconds: float) -> Result:
        """`work(*args)`; a ModelFile among `args` comes as its Network. `work` is a function of a module, and its
        arguments and result can be pickled. Raises DeadlineExceededError after so many seconds.
        """
        stop = Stop()
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._executor, self._do, stop, work, args), seconds)
        except TimeoutError:
            raise DeadlineExceededError(seconds) from None
        finally:
            stop()

    def close(self) -> None:
        self._executor.shutdown()

    def _do(self, stop: Stop, work: Callable[..., Result], args: tuple[Any, ...]) -> Result:
        current.set(stop)
        return work(*(self._network(arg) if isinstance(arg, ModelFile) else arg for arg in args))

    def _network(self, file: ModelFile) -> Network:
        with self._lock:
            network = self._networks.pop(file.sha256, None) or Network(file, self._sessions)
            self._networks[file.sha256] = network
            while len(self._networks) > _NETWORKS:
                self._networks.popitem(last=False)
            return network
