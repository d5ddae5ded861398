"""Connections that go to public addresses only, and end in time.

The address that was checked is the one that is connected to: a name that answers otherwise the second time (DNS
rebinding) changes nothing. One deadline holds for everything that happens on a connection, so that a peer which sends
a byte now and then is as bounded as one that sends none.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052); 64:ff9b:1::/48 stands for private ones and is not global."""


_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""Kept for protocols (RFC 6890): nobody's server."""


class NotPublicError(Exception):
    """A name leads to an address inside a network, where nothing is ever sent unless the setting allows it."""


def is_public(text: str) -> bool:
    """Whether an address is one of the open internet, also where it stands for another one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local or address.teredo:
            return False
    elif address in _PROTOCOLS:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolved(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses of a host. Raises NotPublicError where any of them is not public, unless `private` allows it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(it[4][0]) for it in found))
    if not private and not all(is_public(it) for it in addresses):
        raise NotPublicError(host)
    return addresses


class Guarded(httpcore.NetworkBackend):
    """Connects to checked addresses, until a deadline of so many seconds from the start."""

    def __init__(self, seconds: float, *, private: bool) -> None:
        self.until = time.monotonic() + seconds
        self.private = private
        self.inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """The first address that answers."""
        failed: Exception = httpcore.ConnectError("it has no address")
        for address in resolved(host, port, private=self.private):
            try:
                left = _left(self.until, timeout)
                stream = self.inner.connect_tcp(address, port, left, local_address, socket_options or ())
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Bounded(stream, self.until)
        raise failed


class _Bounded(httpcore.NetworkStream):
    """A stream on which nothing goes on after a deadline."""

    def __init__(self, inner: httpcore.NetworkStream, until: float) -> None:
        self.inner, self.until = inner, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(self.until, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, _left(self.until, timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self.inner.start_tls(ssl_context, server_hostname, _left(self.until, timeout)), self.until)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _left(until: float, timeout: float | None) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("it took too long")
    return left if timeout is None else min(left, timeout)
