"""Who asks, by the peer's address and what proxies wrote."""

import pytest

from service.access.addresses import Proxies, customer

TRUSTED = Proxies(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's proxy: whatever it says
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.7", "198.51.100.1"),  # the first is the client's invention
        ("10.1.1.1", "10.0.0.7, 10.0.0.8", "10.0.0.7"),  # all are proxies: the farthest
        ("10.1.1.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.1.1.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.1.1.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("10.1.1.1", "unknown", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.1, ', DROP\r\n", "10.1.1.1"),
        ("10.1.1.1", ",,,", "10.1.1.1"),
    ],
)
def test_an_address_is_believed_as_far_as_trusted_proxies_wrote_it(peer: str, forwarded: str, client: str) -> None:
    assert TRUSTED.client(peer, forwarded) == client


def test_without_named_proxies_nobody_is_believed() -> None:
    nobody = Proxies([])
    assert (nobody.any, nobody.trusts("127.0.0.1")) == (False, False)
    assert nobody.client("127.0.0.1", "198.51.100.1") == "127.0.0.1"


def test_an_ipv6_client_is_its_network_and_an_ipv4_client_its_address() -> None:
    assert customer("2001:db8:1:2:3:4:5:6") == customer("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert customer("2001:db8:1:3::1") != customer("2001:db8:1:2::1")
    assert customer("::ffff:198.51.100.1") == customer("198.51.100.1") == "198.51.100.1"
    assert customer("not an address") == "not an address"
