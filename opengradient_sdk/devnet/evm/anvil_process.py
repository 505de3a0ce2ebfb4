"""Running the anvil program: where it listens, and that it is gone afterwards."""

from __future__ import annotations

import asyncio
import atexit
import re
from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_LISTENING: Final = re.compile(rb"Listening on (\S+:\d+)")
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0
_KEPT_OUTPUT: Final = 4096


class AnvilProcess:
    """One running anvil program. Make it with :meth:`spawn`."""

    def __init__(self, transport: asyncio.SubprocessTransport, output: _Output) -> None:
        self.url = ""
        self._transport = transport
        self._output = output
        atexit.register(self._kill)

    @classmethod
    async def spawn(cls, program: Path, *arguments: str) -> AnvilProcess:
        """Start ``program`` and return when it listens.

        Raises:
            ConfigurationError: It ended or did not listen in time.
        """
        loop = asyncio.get_running_loop()
        transport, output = await loop.subprocess_exec(
            _Output, str(program), *arguments, stdin=None
        )
        process = cls(transport, output)
        try:
            await process._wait_until_it_listens()
        except BaseException:
            await process.stop()
            raise
        return process

    async def stop(self) -> None:
        """Ask the program to end, insist after a few seconds, and return when it is gone."""
        try:
            self._terminate()
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.shield(self._output.exited)
        except TimeoutError:
            self._kill()
            await asyncio.shield(self._output.exited)
        finally:
            self._kill()  # also when this was cancelled: nothing stays behind
            self._transport.close()
            atexit.unregister(self._kill)

    async def _wait_until_it_listens(self) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                self.url = f"http://{await self._output.address}"
        except TimeoutError as error:
            raise ConfigurationError(
                f"anvil does not listen after {_START_SECONDS:.0f} s"
            ) from error

    def _terminate(self) -> None:
        if self._transport.get_returncode() is None:
            self._transport.terminate()

    def _kill(self) -> None:
        if self._transport.get_returncode() is None:
            try:
                self._transport.kill()
            except ProcessLookupError:
                return  # it ended in this very moment


class _Output(asyncio.SubprocessProtocol):
    """Reads what the program prints: where it listens, and the rest only to drop it.

    A program whose pipe is full stands still, so somebody has to read.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.address: asyncio.Future[str] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()
        self._text = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Look for the address; keep the end of what comes before it for an error message."""
        if self.address.done():
            return
        self._text = (self._text + data)[-_KEPT_OUTPUT:]
        if match := _LISTENING.search(self._text):
            self.address.set_result(match[1].decode())

    def process_exited(self) -> None:
        """Tell whoever waits for the end."""
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for the address that it will not come: all output has been read."""
        if not self.address.done():
            text = self._text.decode(errors="replace").strip()
            self.address.set_exception(ConfigurationError(f"anvil ended at once: {text}"))
