"""Blobs from Walrus aggregators, none of which is trusted: what a blob holds decides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from ..._core.http import HttpClient
from ..._core.urls import ServerUrl
from ...errors import ConfigurationError, NetworkError, SettlementError
from ...verification.merkle import MAX_BLOB_BYTES

T = TypeVar("T")

_BLOB_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class Lack(Enum):
    """What is wrong with a blob.

    UNREACHABLE: no store could be asked. ABSENT: none of those that answered has it. REFUSED: what
    was handed out under its id is not it.
    """

    UNREACHABLE = "unreachable"
    ABSENT = "absent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A blob that no store hands out as it should be, and why."""

    lack: Lack
    reason: str

    def __str__(self) -> str:
        return self.reason


class _LackError(Exception):
    """One store does not have the blob to give."""

    def __init__(self, lack: Lack, reason: str) -> None:
        super().__init__(reason)
        self.lack = lack


class BlobReader:
    """Reads blobs by id from the aggregators at ``urls``, in order of preference.

    At most 8 MiB of a blob are read; ``timeout`` is in seconds, for one blob from one store.

    **Money**: free. **Trust**: none in any store. A blob counts only once ``accept`` took it.

    Raises:
        ConfigurationError: A URL is no http(s) URL, or the time-out is not positive.
    """

    def __init__(self, http: HttpClient, urls: Sequence[str], *, timeout: float = 15.0) -> None:
        if timeout <= 0:
            raise ConfigurationError(f"blobs cannot be read within {timeout} s")
        try:
            self._stores = tuple(ServerUrl.parse(url) for url in urls)
        except ValueError as error:
            raise ConfigurationError(
                "the address of a blob store is not an http(s) URL",
                hint="Name a Walrus aggregator, such as https://aggregator.example.",
            ) from error
        self._http = http
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"BlobReader({', '.join(store.name for store in self._stores)})"

    async def read(self, blob_id: str, accept: Callable[[bytes], T]) -> T | Unreadable:
        """Return what ``accept`` makes of the blob, from the first store whose blob it takes.

        ``accept`` runs in a thread and raises ``SettlementError`` for a blob that it refuses; the
        next store may hold the right one.
        """
        if not _BLOB_ID.match(blob_id):
            return Unreadable(Lack.ABSENT, "that is no blob's id")
        if not self._stores:
            return Unreadable(Lack.ABSENT, "no blob store is configured")
        lacks: list[_LackError] = []
        for store in self._stores:
            try:
                return await asyncio.to_thread(accept, await self._fetch(store, blob_id))
            except _LackError as lack:
                lacks.append(lack)
            except SettlementError as error:
                told = f"{store.name} holds something else: {error.short_message}"
                lacks.append(_LackError(Lack.REFUSED, told))
        worst = max((lack.lack for lack in lacks), key=list(Lack).index)
        return Unreadable(worst, "; ".join(map(str, lacks)))

    async def _fetch(self, store: ServerUrl, blob_id: str) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._body(store, blob_id)
        except TimeoutError:
            told = f"{store.name} took longer than {self._timeout:g} s"
            raise _LackError(Lack.UNREACHABLE, told) from None
        except NetworkError as error:
            told = f"{store.name}: {error.short_message}"
            raise _LackError(Lack.UNREACHABLE, told) from error

    async def _body(self, store: ServerUrl, blob_id: str) -> bytes:
        url = f"{store.address.rstrip('/')}/v1/blobs/{blob_id}"
        headers = {"Authorization": store.authorization} if store.authorization else None
        async with self._http.stream("GET", url, headers=headers, timeout=self._timeout) as answer:
            if answer.status != _OK:
                down = answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY
                lack = Lack.UNREACHABLE if down else Lack.ABSENT
                raise _LackError(lack, f"{store.name} answers {answer.status}")
            parts: list[bytes] = []
            size = 0
            async for part in answer.chunks():
                size += len(part)
                if size > MAX_BLOB_BYTES:
                    told = f"{store.name} sends more than {MAX_BLOB_BYTES} bytes"
                    raise _LackError(Lack.REFUSED, told)
                parts.append(part)
            return b"".join(parts)
