"""HTTPS requests to addresses that users name, safe against being sent into our own network.

A name is resolved once; every address that it has must be a public one; the connection goes to the address
that was checked, so that a name that resolves differently the next moment gains nothing. No redirects, no
proxies, no plain HTTP, bounded time and bounded answers. An operator may allow further networks.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SECONDS = 15.0  # for the whole request
MAX_ANSWER = 64 * 1024  # bytes read of an answer's body; the rest is not waited for
MAX_URL = 2048  # characters
PUBLIC_V6 = IPv6Network("2000::/3")  # all that is assigned; mapped IPv4, NAT64 and local ones lie outside
NEVER = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo and other protocol assignments
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


class Refused(ValueError):
    """The address must not be called; the message says why, and never what a name resolves to."""


class Unreachable(Exception):
    """No answer came, or none that is HTTP."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in its parts; `host` is a name or a literal address without brackets."""

    host: str
    port: int
    target: str
    """Path and query."""
    scheme: str = "https"


def parse(text: str, *, plain: bool = False) -> Url:
    """The parts of an https URL (or http where `plain`); refuses what two parsers could read differently."""
    if (
        len(text) > MAX_URL
        or not text.isascii()
        or not text.isprintable()
        or any(c in text for c in ' \\"<>')
    ):
        raise Refused(f"the URL must be at most {MAX_URL} printable ASCII characters without spaces")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"the URL cannot be read: {error}") from None
    if parts.scheme != "https" and not (plain and parts.scheme == "http"):
        raise Refused(f"the URL's scheme is {parts.scheme!r:.20}: use https")
    if "@" in parts.netloc or parts.fragment or "#" in text:
        raise Refused("the URL has a user name or a fragment: leave it out")
    if not host or "%" in host or port == 0:
        raise Refused("the URL names no host and port that can be called")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(host, port or (443 if parts.scheme == "https" else 80), target, parts.scheme)


def is_public(address: Address) -> bool:
    """Whether the address is one of the Internet's, and of one machine."""
    if address.is_multicast or not address.is_global or any(address in network for network in NEVER):
        return False
    return isinstance(address, IPv4Address) or address in PUBLIC_V6


def check_literal(url: Url, allowed: Sequence[Network] = ()) -> None:
    """Raise Refused when the host is an address already, and not a public one; names are not resolved."""
    try:
        address = ip_address(url.host)
    except ValueError:
        return
    _require(url, [address], allowed)


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of a name, as the operating system sees them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Egress:
    """How requests leave: the networks that are allowed besides public ones, and the outside world."""

    allowed: Sequence[Network] = ()
    context: ssl.SSLContext | None = None
    """Whom to trust; None trusts the system's authorities."""
    resolve: Callable[[str, int], list[str]] = system_resolver
    connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection
    seconds: float = SECONDS

    def post(self, text: str, content: bytes, headers: dict[str, str]) -> int:
        """The status of the answer; raises Refused or Unreachable."""
        url = parse(text)
        connection = _Pinned(url, self._checked(url), self)
        deadline = threading.Timer(self.seconds, connection.abort)
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("POST", url.target, content, headers)
            answer = connection.getresponse()
            answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            reason = self._too_late() if connection.aborted else f"{type(error).__name__}: {error}"
            raise Unreachable(reason[:300]) from error
        finally:
            deadline.cancel()
            connection.close()
        if connection.aborted:  # a head that was cut off can look like a whole one
            raise Unreachable(self._too_late())
        return answer.status

    def pinned(self, text: str) -> tuple[Url, str]:
        """(parts of the URL, checked address to connect to), for clients that connect themselves.

        Plain http goes into the allowed networks only. Raises Refused or Unreachable.
        """
        url = parse(text, plain=True)
        address = self._checked(url)
        inside = any(ip_address(address) in network for network in self.allowed)
        if url.scheme == "http" and not inside:
            raise Refused("plain http is for networks that the operator has allowed: use https")
        return url, address

    def _too_late(self) -> str:
        return f"no answer within {self.seconds:.0f} s"

    def _checked(self, url: Url) -> str:
        try:
            texts = self.resolve(url.host, url.port)
        except (OSError, UnicodeError):
            raise Unreachable(f"the name {url.host!r:.100} has no address") from None
        addresses = [ip_address(text.partition("%")[0]) for text in texts]
        _require(url, addresses, self.allowed)
        return str(addresses[0])


def _require(url: Url, addresses: Sequence[Address], allowed: Sequence[Network]) -> None:
    def permitted(address: Address) -> bool:
        return is_public(address) or any(address in network for network in allowed)

    if not addresses or not all(map(permitted, addresses)):
        raise Refused(f"{url.host!r:.100} is not at a public address: only those are called")


class _Pinned(http.client.HTTPSConnection):
    """A connection to one checked address that proves to be the URL's host."""

    def __init__(self, url: Url, address: str, egress: Egress) -> None:
        self._trust = egress.context or ssl.create_default_context()
        super().__init__(url.host, url.port, timeout=egress.seconds, context=self._trust)
        self._address = address
        self._open, self._seconds = egress.connect, egress.seconds
        self._raw: socket.socket | None = None
        self.aborted = False

    def connect(self) -> None:
        """Connect to the checked address, whatever the name resolves to by now."""
        self._raw = self._open((self._address, self.port), self._seconds)
        self.sock = self._trust.wrap_socket(self._raw, server_hostname=self.host)

    def abort(self) -> None:
        """The time is over: whoever reads or writes fails at once."""
        self.aborted = True
        for open_socket in (self.sock, self._raw):
            if open_socket is not None:
                try:
                    open_socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def networks(text: str) -> list[Network]:
    """Networks from a comma-separated list; raises ValueError with the part that is none."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]
