from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk._core.sse import EventDecoder

BODY = (
    'data: {"a": 1}\r\n\r\n: comment\nevent: x\ndata: two\ndata: lines\n\n'
    "data:[DONE]\r\rdata: ü\n\n"
)
EVENTS = ['{"a": 1}', "two\nlines", "[DONE]", "ü"]


@given(st.lists(st.integers(0, len(BODY.encode())), max_size=12))
def test_events_do_not_depend_on_where_the_body_is_split(cuts: list[int]) -> None:
    raw = BODY.encode()
    edges = [0, *sorted(cuts), len(raw)]
    decoder = EventDecoder()
    pieces = (raw[a:b] for a, b in pairwise(edges))
    assert [event for piece in pieces for event in decoder.feed(piece)] == EVENTS


def test_an_event_without_its_blank_line_ends_with_the_body() -> None:
    decoder = EventDecoder()
    assert list(decoder.feed(b"data: cut")) == []
    assert list(decoder.end()) == ["cut"]
    assert list(EventDecoder().end()) == []
