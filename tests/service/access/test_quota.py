"""Token buckets: how many requests at once and in the long run, for how many clients, in which memory."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from service.access.quota import Quota


def test_a_burst_is_allowed_then_one_for_each_interval() -> None:
    quota = Quota(per_second=2.0, burst=3)
    assert [quota.taken("a", now=100.0).left for _ in range(3)] == [2, 1, 0]
    refused = quota.taken("a", now=100.0)
    assert (refused.allowed, refused.left, refused.seconds) == (False, 0, 0.5)
    assert not quota.taken("a", now=100.4).allowed
    assert quota.taken("a", now=100.5).allowed
    assert not quota.taken("a", now=100.5).allowed
    assert [quota.taken("a", now=110.0).left for _ in range(3)] == [2, 1, 0]


def test_a_refused_request_costs_nothing() -> None:
    quota = Quota(per_second=1.0, burst=1)
    assert quota.taken("a", now=10.0).allowed
    for _ in range(1000):
        assert quota.taken("a", now=10.5).seconds == 0.5
    assert quota.taken("a", now=11.0).allowed


def test_clients_have_buckets_of_their_own() -> None:
    quota = Quota(per_second=1.0, burst=1)
    assert all(quota.taken(client, now=10.0).allowed for client in ("a", "b", "198.51.100.1"))
    assert not any(quota.taken(client, now=10.0).allowed for client in ("a", "b", "198.51.100.1"))


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_never_more_than_the_burst_and_the_rate_together(per_second: float, burst: int, pauses: list[float]) -> None:
    quota, now, allowed = Quota(per_second, burst, rows=4), 1000.0, 0
    for pause in pauses:
        now += pause
        allowed += quota.taken("a", now).allowed
        assert allowed <= burst + (now - 1000.0) * per_second + 1e-6


def test_more_clients_than_there_is_memory_for_push_out_the_fullest_buckets() -> None:
    quota = Quota(per_second=1.0, burst=10, rows=1)
    for _ in range(10):
        assert quota.taken("greedy", now=100.0).allowed
    for number in range(100):
        assert quota.taken(f"other-{number}", now=100.0).left == 9
    assert not quota.taken("greedy", now=100.0).allowed


FORKING = """
import os
from service.access.quota import Quota
quota = Quota(per_second=1.0, burst=5)
process = os.fork()
if process == 0:
    os._exit(sum(quota.taken("a", now=50.0).allowed for _ in range(3)))
_, status = os.waitpid(process, 0)
print(os.waitstatus_to_exitcode(status), sum(quota.taken("a", now=50.0).allowed for _ in range(10)))
"""


def test_a_forked_process_takes_from_the_same_buckets() -> None:
    """Forked where there are no other threads, whose locks it might wait for."""
    assert subprocess.check_output([sys.executable, "-c", FORKING]).split() == [b"3", b"2"]  # noqa: S603


def test_the_window_is_the_time_in_which_an_empty_bucket_fills() -> None:
    assert (Quota(2.0, 5).window_seconds, Quota(100.0, 5).window_seconds) == (3, 1)
