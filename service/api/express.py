"""The express door: POST classify of small images on a small network, answered where uvicorn parses HTTP.

There the framework, a task and two threads would cost several times the network's run. It takes only what it wholly
understands and answers it to the byte as the route does; all else, and whatever goes wrong, goes on to the
application. What arrives in one turn of the event loop is one batch.

Who would be refused for overload, on any network, is refused here too, before its body is kept: refusing has to cost
less than what it saves.
"""

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from fastapi import FastAPI, Request

from service.api.classification import encoded, prepared, ranked
from service.api.classify import CLASSIFY_ROUTES, SMALL_BYTES, SMALL_IMAGE, ClassifyQuery
from service.api.connection_problems import wording
from service.api.entrance import REFUSED, Admission, Entrance, admit
from service.api.facts import Facts, Stages
from service.api.guards import DATA_ONLY, SECURITY, identity
from service.api.ledger import CLIENT_CLOSED_REQUEST, Ledger
from service.api.multipart import plain_uploads
from service.api.problems import refusal
from service.api.uploads import Upload
from service.arrays import NetworkInput
from service.connections.bounds import LENGTH_DIGITS, Bounds
from service.connections.crowd import Crowd
from service.connections.protocol import GuardedProtocol, header_lines
from service.connections.shares import Shares
from service.engine.classifier import Classifier
from service.errors import FoveaError

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from service.api.dependencies import Services

_TARGET = re.compile(
    rb"/v1/models/([A-Za-z0-9._-]{1,64})(?:/versions/([0-9]{1,9}))?/classify(?:\?top=([1-9][0-9]{0,3}))?"
)
_DEFAULT_TOP = ClassifyQuery().top
_MAX_IMAGES = 16  # of a request, and of a batch: more would gain a small network nothing, and keep others waiting
_MAX_BODY_BYTES = _MAX_IMAGES * SMALL_BYTES
# Handing work to threads and back costs a request 0.3 ms and more (2 cores). Here nothing else is answered meanwhile,
# so an image must be quick, and a request few of them: 8 ms at most.
_IMAGE_SECONDS = 0.0005
_ANSWER = b"server-timing: %b\r\ncontent-length: %d\r\ncontent-type: application/json\r\n"

log = logging.getLogger("fovea")

_OWN = header_lines((*SECURITY, DATA_ONLY))


@dataclass(slots=True)
class _Asked:
    """What the request line and the headers say."""

    model: str
    version: str | None
    top: int
    content_type: bytes
    length: int
    request_id: str
    keep_alive: bool
    authorization: bytes = b""
    client: str | None = None
    admission: Admission | None = None  # of a request that was asked for its token and its quota
    classifier: Classifier | None = None  # once it is known


@dataclass(slots=True)
class _Waiting:
    """A request whose images run at the end of this turn of the event loop. Times are `time.monotonic` seconds."""

    connection: "ExpressProtocol"
    asked: _Asked
    facts: Facts
    body: bytes
    sent: Sequence[Upload]
    inputs: Sequence[NetworkInput]
    decoded: float


class Desk:
    """Where the connections of one event loop bring their requests; used by that loop's thread alone."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.entrance: Entrance = app.state.entrance
        self.ledger: Ledger = app.state.ledger
        self.is_shared = bool(app.state.settings.cors_origins)
        self._waiting: dict[Classifier, list[_Waiting]] = {}

    def refuses(self, asked: _Asked) -> FoveaError | None:
        """Why the request is refused whatever its body holds; None where that is still to be seen."""
        if self.entrance.asks:
            admission = asked.admission = self.entrance.admission(asked.client, asked.authorization)
            if admission.error is not None:  # the application does not read a large body for it
                return admission.error if asked.length <= _MAX_BODY_BYTES else None
        services: Services = self.app.state.services
        try:
            classifier = services.registry.classifier(asked.model, asked.version)
        except FoveaError:
            return None
        asked.classifier = classifier
        if _is_small(classifier) or asked.length > services.settings.max_body_bytes:
            return None
        return services.scheduler.refusal(classifier, services.settings.request_timeout_seconds)

    def takes(self, connection: "ExpressProtocol", asked: _Asked, body: bytes) -> bool:
        """False where the request has to go on to the application."""
        try:
            return self._takes(connection, asked, body)
        except Exception:  # a defect of ours, within the parser's callback: there it would be the client's error
            log.exception("a request for %s went on to the application", asked.model)
            return False

    def _takes(self, connection: "ExpressProtocol", asked: _Asked, body: bytes) -> bool:
        arrived = time.monotonic()
        services: Services = self.app.state.services
        sent = plain_uploads(asked.content_type, body)
        limits = services.settings
        if not sent or len(sent) > min(_MAX_IMAGES, limits.max_images) or len(body) > limits.max_body_bytes:
            return False
        try:
            classifier = services.registry.classifier(asked.model, asked.version)
        except FoveaError:
            return False
        inputs = _inputs(classifier, sent) if _is_small(classifier) else None
        if inputs is None:
            return False
        decoded = time.monotonic()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.clear)
        asked.classifier = classifier
        facts = _facts(asked, arrived, len(body))
        if self.ledger.tracing is not None:
            self.ledger.tracing.began(facts, connection.headers)
        one = _Waiting(connection, asked, facts, body, sent, inputs, decoded)
        self._waiting.setdefault(classifier, []).append(one)
        return True

    def clear(self) -> None:
        """Answers what waits, one batch for each network; what is left has the next turn, with who came meanwhile."""
        everything, self._waiting = self._waiting, {}
        for classifier, waiting in everything.items():
            count = _fitting(waiting)
            if waiting[count:]:
                self._waiting[classifier] = waiting[count:]
            self._answer_safely(classifier, waiting[:count])
        if self._waiting:
            asyncio.get_running_loop().call_soon(self.clear)

    def _answer_safely(self, classifier: Classifier, batch: Sequence[_Waiting]) -> None:
        try:
            self._answer(classifier, batch)
        except Exception:  # a defect of ours: the application answers instead, nobody waits for ever
            log.exception("a batch of %s went on to the application", classifier.name)
            for one in batch:
                one.connection.goes_on(one.asked, one.body)

    def _answer(self, classifier: Classifier, batch: Sequence[_Waiting]) -> None:
        services: Services = self.app.state.services
        scheduler, began = services.scheduler, time.monotonic()
        pieces = scheduler.run_here(classifier, np.stack([image for one in batch for image in one.inputs]))
        ended = time.monotonic()
        if any(piece.error is not None for piece in pieces):
            for one in batch:
                one.connection.goes_on(one.asked, one.body)
            return
        lane, statistics = (classifier.name, classifier.version), scheduler.statistics
        for one in batch:
            statistics.decoded(lane, one.decoded - one.facts.began)
        queued = [began - one.decoded for one in batch]
        images = sum(piece.count for piece in pieces)
        statistics.answered(lane, images, queued, ended - began)
        if self.ledger.tracing is not None:
            self.ledger.tracing.ran([one.facts.trace for one in batch], classifier, images, began, ended)
        results = iter(ranked(classifier, pieces, max(one.asked.top for one in batch)))
        for one in batch:
            own = [{"predictions": next(results)["predictions"][: one.asked.top]} for _ in one.inputs]
            answer = encoded(classifier, one.sent, one.inputs, own)
            one.facts.stages = Stages(one.facts.began, one.decoded, began, ended)
            one.connection.answers(one, answer)
        if services.sampler is not None:
            services.sampler.offer(classifier, (image for one in batch for image in one.inputs))

    def report(self, facts: Facts) -> None:
        """One request, before its client sees the answer. It was never in flight: nothing else was done meanwhile."""
        self.ledger.began()
        self.ledger.answered(facts)


def _facts(asked: _Asked, began: float, received: int) -> Facts:
    facts = Facts(asked.request_id, "POST", asked.client, began, bytes_in=received)
    facts.route = CLASSIFY_ROUTES[asked.version is not None]
    if asked.admission is not None:
        facts.token = asked.admission.token
    if asked.classifier is not None:
        facts.of(asked.classifier)
    return facts


class ExpressProtocol(GuardedProtocol):
    """The guarded protocol, which brings what it can to the desk first. Never two requests of one connection."""

    desk: ClassVar[Desk]
    _reading: _Asked | None = None
    _chunks: list[bytes]
    _refusing: tuple[_Asked, FoveaError] | None = None
    _is_waiting = False

    def on_message_begin(self) -> None:
        while self._is_waiting:  # a client that does not wait for answers gets them in order
            self.desk.clear()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        asked = self._asked() if self._is_free() else None
        refused = self.desk.refuses(asked) if asked else None
        if asked and asked.admission:
            admit(self.scope["state"], asked.admission)
        self._refusing = (asked, refused) if asked and refused else None
        self._reading = asked if asked and not refused and asked.length <= _MAX_BODY_BYTES else None
        self._chunks = []
        if not self._reading and not self._refusing:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._reading:
            self._chunks.append(body)
        elif not self._refusing:
            super().on_body(body)

    def on_message_complete(self) -> None:
        asked, self._reading = self._reading, None
        refusing, self._refusing = self._refusing, None
        if refusing:
            self._refuses(*refusing)
        elif asked:
            self._is_waiting = True
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            if not self.desk.takes(self, asked, body):
                self.goes_on(asked, body)
        else:
            super().on_message_complete()

    def hand_over(self) -> None:
        while self._is_waiting:
            self.desk.clear()
        if self._reading or self._refusing:
            self._reading = self._refusing = None
            super().on_headers_complete()
            super().on_body(b"".join(self._chunks))

    def last_answer(self) -> None:
        if self._reading:
            self._reading.keep_alive = False
        super().last_answer()

    def shutdown(self) -> None:
        while self._is_waiting:
            self.desk.clear()
        super().shutdown()

    def goes_on(self, asked: _Asked, body: bytes) -> None:
        """The request as if it had come to the application at once; nothing where it was answered."""
        was_waiting, self._is_waiting = self._is_waiting, False
        if not was_waiting or self.transport.is_closing():
            return
        super().on_headers_complete()
        self.cycle.keep_alive = asked.keep_alive and not self.is_let_go()  # the parser has forgotten it
        super().on_body(body)
        super().on_message_complete()

    def answers(self, one: _Waiting, body: bytes) -> None:
        """Sends the answer, reports it first, and gets ready for the next request."""
        self._is_waiting = False
        assert one.facts.stages is not None  # noqa: S101 - it was run
        timing = one.facts.stages.server_timing.encode()
        self._send(one.asked, one.facts, 200, _ANSWER % (timing, len(body)), body)

    def _refuses(self, asked: _Asked, error: FoveaError) -> None:
        path = self.url.partition(b"?")[0].decode()
        state = {"request_id": asked.request_id}
        scope = {**self.scope, "app": self.desk.app, "path": path, "query_string": b"", "state": state}
        answer, facts = refusal(Request(scope), error), _facts(asked, time.monotonic(), asked.length)
        facts.code = error.code
        if asked.admission and error is asked.admission.error:
            facts.route = REFUSED
        self._send(asked, facts, answer.status_code, header_lines(answer.raw_headers), bytes(answer.body))

    def _send(self, asked: _Asked, facts: Facts, status: int, headers: bytes, body: bytes) -> None:
        is_gone = self.transport.is_closing()
        facts.status, facts.bytes_out = (CLIENT_CLOSED_REQUEST, 0) if is_gone else (status, len(body))
        self.desk.report(facts)
        if is_gone:
            return
        limits = header_lines(asked.admission.headers) if asked.admission else b""
        own = b"x-request-id: %b\r\n" % asked.request_id.encode()
        keep_alive = asked.keep_alive and not self.is_let_go()
        self.write_answer(status, b"".join([headers, limits, own, _OWN]), body, keep_alive=keep_alive)
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _is_free(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.parser.should_upgrade()
        )

    def _asked(self) -> _Asked | None:
        """None where the request is another one, or has anything that this door does not understand."""
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        target = _TARGET.fullmatch(self.url.removeprefix(self.root_path.encode()))
        headers = dict(self.headers)
        length, content_type = headers.get(b"content-length", b""), headers.get(b"content-type", b"")
        if target is None or len(headers) != len(self.headers) or self.expect_100_continue:
            return None
        if not length.isdigit() or len(length) > LENGTH_DIGITS or content_type[:16].lower() == b"application/json":
            return None
        if self.desk.is_shared and b"origin" in headers:
            return None
        return _Asked(
            target[1].decode(),
            target[2].decode() if target[2] else None,
            int(target[3]) if target[3] else _DEFAULT_TOP,
            content_type,
            int(length),
            identity(headers.get(b"x-request-id", b"").decode("latin-1")),
            self.parser.should_keep_alive() and not self.crowd.draining.active,
            headers.get(b"authorization", b""),
            self._address(headers),
        )

    def _address(self, headers: dict[bytes, bytes]) -> str | None:
        """Whose request it is; None where another worker asks."""
        if self.client is None:
            return None
        proxies, peer = self.desk.entrance.proxies, self.client[0]
        if not proxies.trusts(peer):
            return peer
        return proxies.client(peer, headers.get(b"x-forwarded-for", b"").decode("latin-1"))


def express_protocol(app: FastAPI, bounds: Bounds | None = None, shares: Shares | None = None) -> type[ExpressProtocol]:
    """HTTP within bounds, with the express door in front of `app`: give it to `uvicorn.Config` as `http`."""
    crowd = Crowd(bounds or Bounds(), app.state.draining, wording(app), shares or Shares())
    return type("Express", (ExpressProtocol,), {"desk": Desk(app), "crowd": crowd})


def _is_small(classifier: Classifier) -> bool:
    return (
        classifier.steady
        and classifier.device.provider == "cpu"
        and classifier.file.output is not None
        and classifier.costs.least_seconds_per_image() <= _IMAGE_SECONDS
    )


def _fitting(waiting: Sequence[_Waiting]) -> int:
    """How many requests make a batch: whole ones of `_MAX_IMAGES` images together, at least the first."""
    ends = accumulate(len(one.inputs) for one in waiting)
    return max(1, sum(1 for _ in takewhile(lambda end: end <= _MAX_IMAGES, ends)))


def _inputs(classifier: Classifier, sent: Sequence[Upload]) -> list[NetworkInput] | None:
    """None where an image is not small or cannot be used."""
    inputs = []
    for upload in sent:
        item = prepared(upload, SMALL_IMAGE, classifier) if len(upload.data) <= SMALL_BYTES else None
        if item is None or isinstance(item, FoveaError):
            return None
        inputs.append(item)
    return inputs
