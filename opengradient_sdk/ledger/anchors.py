"""Where checkpoints are kept outside the store, so that a cut-off tail of it shows."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final, Protocol

from .._core.http import HttpClient
from .._core.json_in import parse_json
from .._core.urls import ServerUrl
from ..errors import ConfigurationError, LedgerError, OpenGradientError
from ..types import Address, TxRequest
from .checkpoints import Checkpoint
from .entries import encoded

_TIMEOUT: Final = 30.0
_MARK: Final = b"opengradient ledger checkpoint"
_DIGEST: Final = 32  # bytes


class Anchor(Protocol):
    """A place outside the store that keeps checkpoints."""

    async def write(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint there.

        Raises:
            LedgerError: It could not be kept.
        """
        ...


class FileAnchor:
    """Checkpoints in a file, a line each.

    **Trust**: it is worth something where whoever can change the store cannot change this file: on
    another machine, or on a medium that is written once.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"FileAnchor({str(self._path)!r})"

    async def write(self, checkpoint: Checkpoint) -> None:
        """Append a checkpoint; it is on disk when this returns.

        Raises:
            LedgerError: The file cannot be written.
        """
        line = encoded(checkpoint.to_json()) + "\n"
        try:
            await asyncio.to_thread(_append, self._path, line.encode())
        except OSError as error:
            raise LedgerError(
                f"the anchor {self._path} cannot be written: {error.strerror}",
                hint="The checkpoint is in the store. Write it to another anchor.",
            ) from error

    async def read(self) -> tuple[Checkpoint, ...]:
        """Return all of its checkpoints, oldest first. Their signatures are not verified by this.

        Raises:
            LedgerError: The file cannot be read, or a line of it is no checkpoint.
        """
        try:
            text = await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            raise LedgerError(
                f"the anchor {self._path} cannot be read: {error.strerror}",
                hint="Was a checkpoint ever written to it?",
            ) from error
        return tuple(
            self._checkpoint(number, line) for number, line in enumerate(text.splitlines(), 1)
        )

    def _checkpoint(self, number: int, line: bytes) -> Checkpoint:
        try:
            return Checkpoint.from_json(parse_json(line))
        except ValueError as error:
            raise LedgerError(
                f"line {number} of the anchor {self._path} is no checkpoint: {error}",
                hint="The file was changed, or its last line was cut short while it was written.",
            ) from error


class WebhookAnchor:
    """Checkpoints sent to an HTTP endpoint: each a POST of its JSON.

    A login in the URL is sent and never shown; a key in its path or query is not shown either.
    """

    def __init__(self, url: str, http: HttpClient) -> None:
        """Keep the address; nothing is sent yet.

        Raises:
            ConfigurationError: ``url`` is not an http(s) URL.
        """
        try:
            self._url = ServerUrl.parse(url)
        except ValueError:
            raise ConfigurationError(
                "the URL of the webhook cannot be read", hint="It is https://host/path."
            ) from None
        self._http = http

    def __repr__(self) -> str:
        return f"WebhookAnchor({self._url.name!r})"

    async def write(self, checkpoint: Checkpoint) -> None:
        """Send a checkpoint; the endpoint has taken it when this returns.

        Raises:
            LedgerError: It cannot be reached, or answers anything but 2xx.
        """
        headers = {"Content-Type": "application/json"}
        if self._url.authorization:
            headers["Authorization"] = self._url.authorization
        body = encoded(checkpoint.to_json()).encode()
        try:
            answer = await self._http.request(
                "POST", self._url.address, headers=headers, body=body, timeout=_TIMEOUT
            )
        except OpenGradientError as error:
            # no cause: an error of the connection may name the whole address
            raise self._failure(type(error).__name__) from None
        if not 200 <= answer.status < 300:
            raise self._failure(f"it answered {answer.status}")

    def _failure(self, why: str) -> LedgerError:
        return LedgerError(
            f"the webhook {self._url.name} did not take the checkpoint: {why}",
            hint="The checkpoint is in the store. Send it again, or write it to another anchor.",
        )


def anchor_request(checkpoint: Checkpoint, to: Address) -> TxRequest:
    """Return a transaction that writes a checkpoint's digest into a chain: to oneself, of no value.

    **Money**: it costs its gas. The checkpoint itself must be kept beside it: the chain holds only
    that one with this digest was there at the time of the block.
    """
    return TxRequest(to=to, data=_MARK + checkpoint.digest)


def anchored_digest(data: bytes) -> bytes | None:
    """Return the digest that the data of a transaction holds, ``None`` where it is no anchor."""
    if not data.startswith(_MARK) or len(data) != len(_MARK) + _DIGEST:
        return None
    return data[len(_MARK) :]


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(file, line) != len(line):  # a full disk may take a part of it
            raise OSError(28, "only a part of the line was written")
        os.fsync(file)
    finally:
        os.close(file)
