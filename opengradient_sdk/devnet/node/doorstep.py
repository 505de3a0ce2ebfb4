"""The listening socket of a node, which can turn connections away."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Doorstep(socket.socket):
    """Listens on a free loopback port, and resets the connections that ``refuses`` names.

    They are reset before TLS begins. It works on asyncio's own loops that poll sockets, not on
    those that accept connections in native code.
    """

    def __init__(self, host: str, *, backlog: int, refuses: Callable[[], bool]) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._refuses = refuses
        try:
            self.settimeout(0)
            self.bind((host, 0))
            self.listen(backlog)
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.getsockname()[1])

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection, or say that it was aborted, which event loops take calmly."""
        connection, peer = super().accept()
        if self._refuses():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.close()
            raise ConnectionAbortedError("this connection was refused on purpose")
        return connection, peer
