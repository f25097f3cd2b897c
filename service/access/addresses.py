"""Whose address a request comes from, where proxies stand in between. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_IPV6_CUSTOMER = 64  # bits; RFC 6177: who has one address of such a network has all 2**64


class Proxies:
    """The proxies whose word is taken for who asked them."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Addresses and networks, as 10.0.0.7 and 10.0.0.0/8."""
        trusted = [ip_network(network, strict=False) for network in networks]
        self.any = bool(trusted)

        @lru_cache(maxsize=1024)
        def is_trusted(address: str) -> bool:
            known = _parsed(address)
            return known is not None and any(known in network for network in trusted)

        self._is_trusted = is_trusted

    def trusts(self, peer: str) -> bool:
        return self.any and self._is_trusted(peer)

    def client(self, peer: str, forwarded: str) -> str:
        """Who asked, by X-Forwarded-For as the proxies have written it.

        Each proxy appends whom it heard, so it is read from its end for as long as a trusted proxy wrote it; what comes
        before that is whatever the client made up.
        """
        found, entries = peer, forwarded.split(",")
        while entries and self.trusts(found):
            address = _parsed(entries.pop())
            if address is None:
                break
            found = str(address)
        return found


@lru_cache(maxsize=4096)
def customer(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    known = _parsed(address)
    if isinstance(known, IPv6Address):
        return str(ip_network((known, _IPV6_CUSTOMER), strict=False))
    return address if known is None else str(known)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Without a port and brackets; an IPv4 address in IPv6's clothes is one. None where it is no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        known = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return known.ipv4_mapped or known if isinstance(known, IPv6Address) else known
