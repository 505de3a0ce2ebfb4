"""An answer is taken apart, broken, and put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.devnet.faults import FAULTS
from opengradient_sdk.devnet.faults.answers import Answer, closing, garbled, stream_cut

BODY = b'{"a": "b"}'
WHOLE = b"HTTP/1.1 200 OK\r\nX-Upto-Session: abc\r\nContent-Length: 10\r\n\r\n" + BODY
FRAMES = (b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n")
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = HEAD + b"".join(b"%x\r\n%s\r\n" % (len(f), f) for f in FRAMES) + b"0\r\n\r\n"


def test_an_answer_is_read_with_its_length_or_its_chunks():
    assert Answer.of(WHOLE).body == BODY
    assert Answer.of(CHUNKED).body == b"".join(FRAMES)
    assert (Answer.of(WHOLE).session, Answer.of(CHUNKED).session) == ("abc", None)


def test_an_answer_is_written_in_one_piece():
    assert Answer.of(WHOLE).wire() == WHOLE
    assert Answer.of(CHUNKED).wire().endswith(b"Content-Length: 36\r\n\r\n" + b"".join(FRAMES))


def test_the_last_answer_says_that_it_is():
    assert closing(WHOLE).split(b"\r\n\r\n")[0].endswith(b"\r\nConnection: close")
    assert closing(WHOLE).endswith(b"\r\n\r\n" + BODY)


@given(st.integers(0, 10**9), st.sampled_from([WHOLE, CHUNKED]))
def test_a_garbled_answer_is_another_body_in_the_same_head(seed, raw):
    broken, whole = Answer.of(garbled(raw, seed)), Answer.of(raw)
    assert broken.head == whole.head
    assert broken.body != whole.body
    assert garbled(raw, seed) == garbled(raw, seed)


@given(st.integers(0, 10**6))
def test_a_stream_is_cut_after_a_frame_or_inside_one(seed):
    at = stream_cut(CHUNKED, seed)
    assert len(HEAD) < at < len(CHUNKED)
    assert CHUNKED[:at].endswith(b"\n\n\r\n") is (seed % 2 == 0)


@pytest.mark.parametrize("odd", [0, 1])
def test_every_place_of_a_stream_is_some_seeds_cut(odd):
    places = {stream_cut(CHUNKED, seed) for seed in range(odd, 400, 2)}
    ends = {at for at in range(len(CHUNKED)) if CHUNKED[:at].endswith(b"\n\n\r\n")}
    inside = set(range(len(HEAD) + 1, len(CHUNKED))) - ends
    assert places == (inside if odd else ends)


def test_what_is_no_stream_is_cut_inside_its_body():
    start = WHOLE.index(BODY)
    assert {stream_cut(WHOLE, seed) for seed in range(40)} == set(range(start + 1, len(WHOLE)))


def test_the_catalogue_describes_every_fault():
    assert len(FAULTS) == 23
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.about.endswith(".")
        assert fault.ambiguous <= (fault.where != "none")
    assert [name for name, fault in FAULTS.items() if fault.everywhere] == ["chain-unavailable"]
