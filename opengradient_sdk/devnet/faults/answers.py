"""An answer's bytes, taken apart far enough to break them on purpose."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Final

from ..node.responses import SESSION_HEADER

_END_OF_HEAD: Final = b"\r\n\r\n"
_END_OF_FRAME: Final = b"\n\n"
_CHUNKED: Final = b"transfer-encoding: chunked"
_FRAMING: Final = (b"content-length:", b"transfer-encoding:")
_NEVER_UTF8: Final = 0xFF
_PAGE: Final = b"<!doctype html><title>Welcome</title><p>This is not the answer.</p>"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer: its head without the framing headers, and its body without chunks."""

    head: tuple[bytes, ...]
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> Answer:
        """Read an answer as the node's server writes it."""
        head, _, body = raw.partition(_END_OF_HEAD)
        lines = head.split(b"\r\n")
        if any(line.lower() == _CHUNKED for line in lines):
            body = _joined(body)
        return cls(tuple(x for x in lines if not x.lower().startswith(_FRAMING)), body)

    @property
    def session(self) -> str | None:
        """The session that the answer names."""
        wanted = SESSION_HEADER.lower().encode() + b":"
        found = [line for line in self.head if line.lower().startswith(wanted)]
        return found[0].partition(b":")[2].strip().decode() if found else None

    def wire(self) -> bytes:
        """Return the bytes of it, in one piece of stated length."""
        length = b"Content-Length: %d" % len(self.body)
        return b"\r\n".join((*self.head, length)) + _END_OF_HEAD + self.body


def closing(raw: bytes) -> bytes:
    """Return the answer with the announcement that its connection ends with it."""
    head, end, body = raw.partition(_END_OF_HEAD)
    return head + b"\r\nConnection: close" + end + body


def garbled(raw: bytes, seed: int) -> bytes:
    """Break the body, but neither its length nor its head: a byte, a half, or all of it."""
    answer = Answer.of(raw)
    dice = random.Random(seed)  # noqa: S311 - the same seed has to break the same byte
    match seed % 4:
        case 0:
            body = bytearray(answer.body)
            body[dice.randrange(len(body))] = _NEVER_UTF8
        case 1:
            body = bytearray(answer.body[: len(answer.body) // 2])
        case 2:
            body = bytearray(_PAGE)
        case _:
            body = bytearray(dice.randbytes(len(answer.body)))
    return replace(answer, body=bytes(body)).wire()


def stream_cut(raw: bytes, seed: int) -> int:
    """Return where to cut a streamed answer: with an even seed after a frame, else inside one.

    An answer that is no stream is cut inside its body.
    """
    start = raw.index(_END_OF_HEAD) + len(_END_OF_HEAD)
    ends = _ends_of_frames(raw, start)
    turn = seed // 2
    if seed % 2 == 0 and ends:
        return ends[turn % len(ends)]
    inside = [at for at in range(start + 1, len(raw)) if at not in ends]
    return inside[turn % len(inside)]


def _ends_of_frames(raw: bytes, start: int) -> list[int]:
    """Return where each frame ends, with the chunk that carries it."""
    ends: list[int] = []
    mark = _END_OF_FRAME + b"\r\n"
    at = raw.find(mark, start)
    while at >= 0:
        ends.append(at + len(mark))
        at = raw.find(mark, at + len(mark))
    return ends


def _joined(body: bytes) -> bytes:
    """Return what a chunked body carries."""
    parts: list[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(body[:length])
        body = body[length + 2 :]
    return b"".join(parts)
