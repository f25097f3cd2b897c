"""A listening socket that turns away: closing it then resets nobody who has connected."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from service.connections.listener import turn_away, welcome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can drop what begins a connection")


def test_who_has_connected_is_accepted_and_nobody_else_connects_until_they_are_welcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=60) as early:
            early.sendall(b"hello")
            turn_away(listener)
            with socket.socket() as late:
                late.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    late.connect(address)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(5) == b"hello"
                accepted.sendall(b"answer")
            assert early.recv(6) == b"answer"
        welcome(listener, 10.0)
        with socket.create_connection(address, timeout=60):
            accepted, _ = listener.accept()
            accepted.close()


def test_where_the_kernel_takes_no_filter_the_log_says_what_that_means(caplog: pytest.LogCaptureFixture) -> None:
    class Confined(socket.socket):
        def setsockopt(self, *_: object) -> None:  # as in some containers
            raise PermissionError(1, "Operation not permitted")

    with Confined() as listener:
        turn_away(listener)
    assert caplog.messages == [
        "no filter on the listening socket (Operation not permitted): who connects just now may be reset"
    ]


def test_sockets_of_other_kinds_are_left_alone() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        welcome(other, 10.0)
        turn_away(other)


def test_unread_answers_are_given_up_by_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        welcome(listener, 10.0)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


def test_the_kernel_takes_little_of_an_answer_that_nobody_reads() -> None:
    assert taken(lambda listener: welcome(listener, 10.0)) < 512 * 1024 < taken(lambda _: None)


def taken(prepared: Callable[[socket.socket], None]) -> int:
    """How many bytes can be written before the other end has read any."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        prepared(listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            accepted.setblocking(False)
            count, piece = 0, bytes(64 * 1024)
            with suppress(BlockingIOError):
                while count < 16 * 1024 * 1024:
                    count += accepted.send(piece)
            return count
