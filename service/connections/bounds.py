"""How much and how long: every number of this package, with its source. What an operator changes is a setting."""

from dataclasses import dataclass

TARGET_BYTES = 8 * 1024  # of the request line's URL; as nginx (large_client_header_buffers 4 8k)
HEADER_BYTES = 8 * 1024  # one line; as nginx
HEADERS_BYTES = 32 * 1024  # all lines; as nginx
HEADERS = 100  # as Apache (LimitRequestFields)
LENGTH_DIGITS = 18  # of a length: with zeros before it, it could have thousands

# What is given to the parser at once. A request that waits for the answer to one before it is some kilobytes of memory
# for perhaps 40 bytes, and the next piece is taken only when none waits.
HEAD_PIECE_BYTES = 4 * 1024
BODY_PIECE_BYTES = 64 * 1024

# What is not body in a chunked body: sizes, extensions, line ends, trailers. 65,536 chunks of one byte, Triton's limit,
# take as much. One that sends whole buffers (16 KiB and more) stays below it to 600 MB.
FRAMING_BYTES = 65_536 * 5

# A body, and an answer of more than UNSEEN_BYTES, may take three times the patience, and a second more for each
# of so many bytes that went: a quarter of a Mbit/s. Apache (RequestReadTimeout) has a least rate too, of 500 bytes:
# 32 MiB could then take 18 hours.
BYTES_PER_SECOND = 32 * 1024

# What is still read behind an answer that came before the request's end, so that the client reads it rather than a
# reset: Apache's two seconds (SECONDS_TO_LINGER), and not more than this.
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024

# Of an answer, in the kernel: so much is let go unseen, more is kept in view until the other end has taken it.
UNSEEN_BYTES = 64 * 1024

# Of an answer, in the kernel beyond what is on its way: else it takes megabytes for a client that reads nothing, and
# each piece of them costs a turn of ours. Two pieces, so that one is there when the other has left.
UNSENT_BYTES = 128 * 1024

BODIES_BYTES = 256 * 1024 * 1024  # all bodies that the application holds or waits for, eight of the largest by default

# Beyond the most connections: those that are being told so. Without it a flood of them would use up all descriptors.
TURNED_AWAY = 256
SILENT_SECONDS = 1.0  # who has been silent that long makes room, where there are too many connections

# When the service stops: connections that it has taken, and that have asked for nothing yet, still may that long.
LAST_REQUEST_SECONDS = 1.0
HANDSHAKE_SECONDS = 0.3  # how long a connection that has begun may take to be there; a way round the world


@dataclass(frozen=True)
class Bounds:
    """What an operator decides. `patience_seconds`: how long a client may keep us waiting for the head of a request,
    the next bytes of its body, or for room for the next bytes of an answer.
    """

    patience_seconds: float = 10.0
    connections: int = 1000
    turned_away: int = TURNED_AWAY
    bodies_bytes: int = BODIES_BYTES
