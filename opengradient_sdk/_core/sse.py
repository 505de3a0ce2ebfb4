"""Server-sent events, as far as nodes use them: ``data`` lines, split anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_LARGEST: Final = 32 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class EventDecoder:
    """Turns pieces of a body into the texts of its ``data`` events.

    Lines may be split anywhere and may end in LF, CRLF or CR (WHATWG, server-sent events).
    Comments and fields other than ``data`` are passed over. The work grows with the number of
    bytes, not with the number of pieces: a line that comes byte by byte costs no more.

    Raises:
        ValueError: An event, or a line of one, of more than 32 MiB.
    """

    __slots__ = ("_at_start", "_data", "_data_size", "_line", "_skip_newline")

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[str] = []
        self._data_size = 0
        self._skip_newline = False
        self._at_start = True

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield every event that ``piece`` completes."""
        if not piece:
            return
        if self._skip_newline:
            piece = piece.removeprefix(b"\n")
        self._skip_newline = piece.endswith(b"\r")
        *ends, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for end in ends:
            self._hold(end)
            line = self._whole_line()
            if line:
                self._take(line)
            elif self._data:
                yield "\n".join(self._data)
                self._data.clear()
                self._data_size = 0
        self._hold(rest)

    def end(self) -> Iterator[str]:
        """Yield an event that the end of the body completes."""
        yield from self.feed(b"\n\n")

    def _hold(self, part: bytes) -> None:
        if len(self._line) + len(part) + self._data_size > _LARGEST:
            raise ValueError(f"an event of more than {_LARGEST} bytes")
        self._line += part  # in place: a long line is not copied for every piece of it

    def _whole_line(self) -> bytes:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            self._data_size += len(line)  # with its name: empty lines take memory too
