"""The egress guard: hostile addresses are refused before anything connects, and what is checked is called."""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest
import trustme

from store.kit.egress import (
    MAX_ANSWER,
    Egress,
    Refused,
    Unreachable,
    check_literal,
    is_public,
    networks,
    parse,
)

PUBLIC = "93.184.215.14"
LITERALS = [  # addresses that are not public, in every spelling that a resolver or a parser may accept
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
    "017700000001", "0", "0.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "169.254.0.1",
    "2852039166", "0xa9fea9fe", "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::10.0.0.1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]",
    "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[100::1]", "[fe80::1]", "[fec0::1]", "[fc00::1]",
    "[fd00:ec2::254]", "[ff02::1]", "[ff0e::1]", "[4000::1]",
]  # fmt: skip
SHAPES = [  # URLs that are refused by their shape
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
    "//example.com/", "example.com", "https:///path", "https://", "https://user@example.com/", "https://a:b@127.0.0.1/",
    "https://example.com@127.0.0.1/", "https://example.com#@127.0.0.1/", "https://127.0.0.1\\@example.com/",
    "https://example.com:0/", "https://example.com:65536/", "https://example.com:x/",
    "https://[::1", "https://[fe80::1%25eth0]/",
    "https://exa mple.com/", "https://example.com/\r\nX: y", "https://ex\tample.com/", "https://\u2488.com/",
    "https://\uff11\uff12\uff17.0.0.1/", "https://127\u30020\u30020\u30021/", "https://%31%32%37.0.0.1/",
    "https://example.com/" + "x" * 2048,
]  # fmt: skip


@dataclass
class World:
    """The outside world: what a name resolves to each time, and what was connected to."""

    answers: list[list[str]] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> list[str]:
        return self.answers.pop(0)

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.connected.append(address[0])
        raise ConnectionRefusedError("nobody is there")

    def guard(self) -> Egress:
        return Egress(resolve=self.resolve, connect=self.connect)


def test_there_are_enough_hostile_urls() -> None:
    assert len(set(LITERALS + SHAPES)) >= 60


@pytest.mark.parametrize("literal", LITERALS)
def test_an_address_that_is_not_public_is_never_connected_to(literal: str) -> None:
    world = World()
    guard = Egress(connect=world.connect)  # with the system's own resolver
    with pytest.raises((Refused, Unreachable)):
        guard.post(f"https://{literal}/hook", b"{}", {})
    assert world.connected == []


@pytest.mark.parametrize("url", SHAPES)
def test_a_url_that_parsers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        parse(url)


@pytest.mark.parametrize("name", ["localhost", "localhost.", "metadata.google.internal", "internal.example"])
def test_a_name_is_judged_by_all_its_addresses(name: str) -> None:
    for answer in (["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:10.0.0.1", PUBLIC], ["fe80::1%eth0"], []):
        world = World(answers=[answer])
        with pytest.raises(Refused, match="not at a public address"):
            world.guard().post(f"https://{name}/", b"{}", {})
        assert world.connected == []


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    world = World(answers=[[PUBLIC], ["127.0.0.1"], ["169.254.169.254"]])
    for _ in range(3):
        with pytest.raises((Refused, Unreachable)):
            world.guard().post("https://rebinding.example/", b"{}", {})
    assert world.connected == [PUBLIC]  # each request resolved once, and called what it had checked


def test_public_addresses_are_called() -> None:
    for text in (PUBLIC, "1.1.1.1", "2606:4700::1111", "2a00:1450:4001:81b::200e"):
        assert is_public(ip_address(text))
        world = World(answers=[[text]])
        with pytest.raises(Unreachable):
            world.guard().post("https://example.com/", b"{}", {})
        assert world.connected == [text]


def test_an_operator_may_allow_a_network() -> None:
    allowed = networks("10.1.0.0/16, fd00::/8")
    check_literal(parse("https://10.1.2.3/"), allowed)
    for refused in ("https://10.2.0.1/", "https://127.0.0.1/"):
        with pytest.raises(Refused):
            check_literal(parse(refused), allowed)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers by the path: /redirect, /slow, /endless, /status/N."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/slow":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X: y\r\n")
                time.sleep(0.2)
        status = {"/redirect": 302, "/endless": 200}.get(self.path) or int(self.path.rsplit("/", 1)[-1])
        self.send_response(status)
        self.send_header("Location", "https://127.0.0.1/elsewhere")
        self.end_headers()
        if self.path == "/endless":
            while True:
                self.wfile.write(b"x" * 65_536)

    def log_message(self, *arguments: object) -> None:
        """Silence."""


class Server(http.server.ThreadingHTTPServer):
    """Clients that hang up are no fault here."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Egress]]:
    """A TLS server on loopback, and an egress that may reach it and trusts its authority."""
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.example").configure_cert(server_side)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = Server(("127.0.0.1", 0), Receiver)
    server.socket = server_side.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    loopback = [ip_network("127.0.0.0/8")]
    yield server.server_port, Egress(loopback, trusting, resolve=lambda host, port: ["127.0.0.1"])
    server.shutdown()
    thread.join()
    server.server_close()


def test_answers_come_back_and_redirects_are_not_followed(receiver: tuple[int, Egress]) -> None:
    port, egress = receiver
    for path, status in (("/status/204", 204), ("/status/500", 500), ("/redirect", 302)):
        assert egress.post(f"https://receiver.example:{port}{path}", b"{}", {}) == status


def test_the_certificate_must_be_the_names(receiver: tuple[int, Egress]) -> None:
    port, egress = receiver
    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        egress.post(f"https://other.example:{port}/status/200", b"{}", {})
    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        Egress(egress.allowed, resolve=egress.resolve).post(f"https://receiver.example:{port}/", b"", {})


def test_an_endless_answer_is_cut(receiver: tuple[int, Egress]) -> None:
    port, egress = receiver
    assert egress.post(f"https://receiver.example:{port}/endless", b"{}", {}) == 200
    assert MAX_ANSWER == 64 * 1024


def test_a_slow_answer_is_given_up(receiver: tuple[int, Egress]) -> None:
    port, egress = receiver
    hasty = Egress(egress.allowed, egress.context, egress.resolve, seconds=1.0)
    start = time.monotonic()
    with pytest.raises(Unreachable, match="no answer within 1 s"):
        hasty.post(f"https://receiver.example:{port}/slow", b"{}", {})
    assert time.monotonic() - start < 5
