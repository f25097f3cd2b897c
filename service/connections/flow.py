"""When a connection is read. uvicorn reads on with every answer and with every look for more of a body."""

from uvicorn.protocols.http.flow_control import FlowControl


class HeldFlow(FlowControl):
    """As uvicorn's, and nothing is read while it is held: there is enough that nobody has taken yet."""

    _held = False

    def hold(self, *, on: bool) -> None:
        if on != self._held:
            self._held = on
            if on:
                self.pause_reading()
            else:
                self.resume_reading()

    def resume_reading(self) -> None:
        if not self._held:
            super().resume_reading()
