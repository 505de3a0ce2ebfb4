"""A line knows where each request begins, and passes on everything that it cannot understand."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.devnet.node.ambush import Mishap
from opengradient_sdk.devnet.node.line import Line, RequestHead, line_of

PAID = b"POST /v1/chat/completions HTTP/1.1\r\nX-Upto-Session: s\r\nContent-Length: 4\r\n\r\nbody"
UNPAID = b"GET /health?a=b HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """A double: remembers what was written, and what became of it."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__({"peername": "me"})
        self.written = b""
        self.calls: list[str] = []
        self._full = full

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return int(self._full)

    def is_closing(self):
        return "abort" in self.calls or "close" in self.calls

    def close(self):
        self.calls.append("close")

    def abort(self):
        self.calls.append("abort")

    def is_reading(self):
        return True

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")


class Inner(asyncio.Protocol):
    """A double: an HTTP protocol that only listens."""

    def __init__(self) -> None:
        self.read = b""
        self.transport: asyncio.Transport
        self.calls: list[str] = []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.read += data

    def eof_received(self):
        self.calls.append("eof")

    def connection_lost(self, exc):
        self.calls.append("lost")

    def pause_writing(self):
        self.calls.append("pause writing")

    def resume_writing(self):
        self.calls.append("resume writing")


class Cut(Mishap):
    def __init__(self, at: int) -> None:
        self.at = at

    def reads(self, size: int) -> int:
        return self.at


def connected(mishap: Mishap | None = None, *, full: bool = False):
    heads: list[RequestHead] = []

    def meets(head: RequestHead) -> Mishap | None:
        heads.append(head)
        return mishap

    inner, transport = Inner(), FakeTransport(full=full)
    line = Line(inner, meets)
    line.connection_made(transport)
    return line, inner, transport, heads


@given(st.lists(st.sampled_from([PAID, UNPAID]), max_size=5), st.lists(st.integers(1, 60)))
def test_every_request_is_met_once_however_the_bytes_arrive(requests, pieces):
    line, inner, _, heads = connected()
    rest = sent = b"".join(requests)
    for size in pieces:
        line.data_received(rest[:size])
        rest = rest[size:]
    line.data_received(rest)
    assert inner.read == sent
    assert [head.paid for head in heads] == [request == PAID for request in requests]
    assert [head.size for head in heads] == [len(request) for request in requests]
    assert line.idle


def test_a_head_says_what_was_asked_and_hides_what_was_paid():
    line, _, _, heads = connected()
    line.data_received(UNPAID + PAID)
    assert [(head.method, head.path) for head in heads] == [
        ("GET", "/health"),
        ("POST", "/v1/chat/completions"),
    ]
    assert heads[1].headers["x-upto-session"] == "s"
    assert "x-upto-session" not in repr(heads[1])


@pytest.mark.parametrize("at", range(len(PAID)))
def test_a_request_is_cut_after_exactly_so_many_bytes(at):
    for size in (1, 7, len(PAID)):
        line, inner, transport, heads = connected(Cut(at))
        for start in range(0, len(PAID), size):
            line.data_received(PAID[start : start + size])
        line.data_received(UNPAID)
        assert inner.read == PAID[:at]
        assert transport.calls[:1] == ["abort"]
        assert len(heads) == 1


def test_what_has_no_stated_length_is_passed_on_unseen():
    for strange in (CHUNKED, b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        line, inner, _, heads = connected(Cut(0))
        line.data_received(strange + PAID)
        line.data_received(PAID)
        assert inner.read == strange + PAID + PAID
        assert heads == []


def test_an_endless_head_is_passed_on_for_others_to_refuse():
    line, inner, _, _ = connected()
    line.data_received(b"GET / HTTP/1.1\r\nX: " + b"a" * 1000)
    assert inner.read == b""
    line.data_received(b"a" * 2**16)
    assert len(inner.read) > 2**16


def test_mishaps_wait_for_their_requests_in_order():
    line, _, _, _ = connected(mishap := Mishap())
    line.data_received(PAID)
    assert line.take_mishap() is mishap
    assert line.take_mishap() is None


def test_what_is_held_goes_nowhere_until_it_is_sent():
    line, inner, transport, _ = connected()
    inner.transport.write(b"one")
    line.hold()
    inner.transport.write(bytearray(b"two"))
    assert transport.written == b"one"
    assert line.taken() == b"two"
    assert line.taken() == b""
    line.send(b"three")
    inner.transport.write(memoryview(b"four"))
    assert transport.written == b"onethreefour"


def test_a_cut_does_not_take_back_what_waits_to_be_sent():
    line, _, transport, _ = connected(full=True)
    line.cut()
    line.send(b"too late")
    assert (transport.calls, transport.written) == (["close"], b"")


def test_a_line_that_is_lost_says_so_and_stays_quiet():
    line, inner, transport, _ = connected()
    assert line.idle
    line.pause_writing()
    line.resume_writing()
    line.eof_received()
    line.connection_lost(None)
    line.cut()
    line.close()
    line.send(b"nobody hears it")
    assert line.lost.is_set()
    assert not line.idle
    assert inner.calls == ["pause writing", "resume writing", "eof", "lost"]
    assert (transport.calls, transport.written) == ([], b"")


def test_the_http_protocol_sees_the_real_transport_through_the_line():
    line, inner, transport, _ = connected()
    seen = inner.transport
    assert line_of(seen) is line
    assert line_of(transport) is None
    assert seen.get_extra_info("peername") == "me"
    assert seen.get_extra_info("nothing", 7) == 7
    assert seen.is_reading()
    assert seen.get_write_buffer_size() == 0
    seen.pause_reading()
    seen.resume_reading()
    seen.close()
    assert seen.is_closing()
    seen.abort()
    assert transport.calls == ["pause", "resume", "close", "abort"]


def test_while_an_answer_is_made_a_line_is_not_idle():
    line, _, _, _ = connected()
    with line.busy():
        assert not line.idle
    line.data_received(PAID[:20])
    assert not line.idle
