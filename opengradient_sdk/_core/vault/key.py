"""The key of a store: its bytes as text, and what is wrong with a text that is none.

As with private keys, whatever sees a key *returns* what is wrong, and whoever raises has never
seen it: the frames of a traceback keep their local variables, and error reporters print them.
"""

from __future__ import annotations

import re
import secrets
from typing import Final, Protocol, TypeAlias

from ...errors import ConfigurationError

Outcome: TypeAlias = bytes | ConfigurationError
"""The 32 bytes of a key, or what is wrong (never any of the key itself)."""

_TEXT: Final = re.compile(r"\s*([0-9a-fA-F]{64})\s*\Z")
_BYTES: Final = 32


class KeyPlace(Protocol):
    """Where the key of one store is kept."""

    @property
    def kind(self) -> str:
        """What kind of place it is, for people."""
        ...

    def fetch(self) -> Outcome:
        """Return the key that is there; make one if there is none. This blocks."""
        ...


class KeyInMemory:
    """A key that ends with the process, for a store that does, too."""

    kind = "memory"

    def fetch(self) -> Outcome:
        """Return a new key."""
        return new_key()


def new_key() -> bytes:
    """Return a random key."""
    return secrets.token_bytes(_BYTES)


def written(key: bytes) -> str:
    """Return ``key`` as it is kept: 64 hex digits."""
    return key.hex()


def read(text: str) -> bytes | None:
    """Return the key that ``text`` spells, or ``None``: it is cut, or was never one."""
    spelled = _TEXT.match(text)
    return None if spelled is None else bytes.fromhex(spelled[1])
