"""Server-sent events, as far as nodes use them: ``data`` lines, split anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_MAX_LINE: Final = 32 * 1024 * 1024


class EventDecoder:
    """Turns pieces of a body into the texts of its ``data`` events.

    Lines may be split anywhere and may end in LF, CRLF or CR (WHATWG, server-sent events).
    Comments and fields other than ``data`` are passed over.

    Raises:
        ValueError: A line of more than 32 MiB.
    """

    __slots__ = ("_data", "_pending", "_skip_newline")

    def __init__(self) -> None:
        self._pending = b""
        self._data: list[str] = []
        self._skip_newline = False

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield every event that ``piece`` completes."""
        if self._skip_newline and piece:
            piece = piece.removeprefix(b"\n")
            self._skip_newline = False
        buffer = self._pending + piece
        self._skip_newline = buffer.endswith(b"\r")
        *lines, self._pending = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if len(self._pending) > _MAX_LINE:
            raise ValueError(f"an event line of more than {_MAX_LINE} bytes")
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
            elif not line and self._data:
                yield "\n".join(self._data)
                self._data.clear()

    def end(self) -> Iterator[str]:
        """Yield an event that the end of the body completes."""
        yield from self.feed(b"\n\n")
