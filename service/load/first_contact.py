"""Before the clock runs: does the service answer, what does the model take, is every request answered well?"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from service.errors import shown
from service.load.address import Address, Model
from service.load.connection import Answer, Connection, reason
from service.load.errors import CannotMeasureError
from service.load.tally import OK


class FirstContact:
    """One connection; whatever is not answered well raises CannotMeasureError."""

    def __init__(self, address: Address) -> None:
        self._address, self._connection = address, Connection(address)

    async def preprocessing(self, model: Model) -> Mapping[str, Any]:
        """What the model file says of its input: `height`, `width`, `color`."""
        for one in await self._told(self._address.request("GET", Model(model.name).path), "versions"):
            asked_for = one["default"] if model.version is None else str(one["version"]) == model.version
            if asked_for and one["preprocessing"]:
                return dict(one["preprocessing"])
        which = "default" if model.version is None else shown(model.version)
        raise CannotMeasureError(f"model {shown(model.name)}, version {which}: not ready", "see GET /v1/models")

    async def check(self, questions: Iterable[bytes]) -> None:
        """Asks each once. Among several images a bad one is an error inside of an answer that is otherwise good."""
        for question in questions:
            for image in await self._told(question, "results"):
                if refused := image.get("error"):
                    raise CannotMeasureError(f"an image is refused: {refused['detail']}", "name other files")

    async def _told(self, request: bytes, field: str) -> list[Any]:
        """What a good answer has in that field."""
        answer = await self._answer(request)
        try:
            told = orjson.loads(answer.body)
            if str(answer.status) == OK:
                return list(told[field])
            problem = f"{told['code']}: {told['detail']}", str(told["remedy"])
        except (ValueError, TypeError, KeyError):
            problem = f"{self._address.url} answers {answer.status} as Fovea never does", "name another --url"
        raise CannotMeasureError(*problem)

    async def _answer(self, request: bytes) -> Answer:
        try:
            return await self._connection.ask(request)
        except OSError as error:
            detail = f"{self._address.url} does not answer: {reason(error)}"
            raise CannotMeasureError(detail, "start the service, or name another --url") from error

    def close(self) -> None:
        self._connection.close()
