"""The vault of a store: what is written down can be used only with a key kept elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ...errors import ConfigurationError, LedgerError
from ..store import IN_MEMORY, default_folder, without_secrets
from .file import KeyFile
from .key import KeyInMemory, KeyPlace, read
from .keyring import KeyInKeyring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEYRING: Final = "keyring"

_VERSION: Final = b"\x01"
_NONCE: Final = 12  # bytes
_TAG: Final = 16  # bytes
_ID_DOMAIN: Final = b"opengradient store key id\x00"
_SEAL_DOMAIN: Final = b"opengradient store secret\x00"
_URL: Final = re.compile(r"postgres(?:ql)?://")
_MASKED: Final = re.compile(r":\*\*\*(?=@)|[?&](?:ssl)?password=\*\*\*")


class Vault:
    """Seals secrets for one store: AES-256-GCM, with a key that the store does not hold.

    Whoever reads the store cannot use what is sealed in it, and whoever writes to it cannot move a
    secret to another row. Whoever has the key as well can. Losing the key loses what it sealed:
    open sessions and stored replies, but no record of what was paid.

    The key never shows in a repr, an error or a traceback, and a vault is neither copied nor
    pickled.
    """

    __slots__ = ("_place", "_sealer")

    def __init__(self, place: KeyPlace) -> None:
        self._place = place
        self._sealer: _Sealer | None = None

    @classmethod
    def at(cls, place: str, key: str | None = None) -> Vault:
        """Return the vault of the store at ``place``. Nothing is read before ``open``.

        Args:
            place: Where the store is: the path of a file, ``":memory:"`` or ``postgresql://…``.
            key: Where its key is. ``None``: in a file beside a SQLite store, named like it with
                ``.key`` behind; for PostgreSQL in this user's state folder, so that several hosts
                must be given the same file. ``"keyring"``: in the operating system's keyring.
                Else the path of a file. A store in memory has a key in memory.

        Raises:
            ConfigurationError: ``key`` is empty, or the key itself.
        """
        if key is not None and (not key.strip() or read(key) is not None):
            what = "the key itself, not where it is" if key.strip() else "empty"
            del key
            raise ConfigurationError(
                f"store_key is {what}", hint='Pass the path of a file, or "keyring".'
            )
        return cls(_key_place(place, key))

    async def open(self) -> None:
        """Load the key; make it where there is none. Once open, this does nothing.

        Raises:
            ConfigurationError: The key cannot be read or made, others can read it, or it is
                damaged. What is there is left as it is.
        """
        if self._sealer is not None:
            return
        outcome = await asyncio.to_thread(_load, self._place)
        if isinstance(outcome, ConfigurationError):
            raise outcome
        if self._sealer is None:  # of two that open it at once, one key is used
            self._sealer = outcome

    @property
    def key_id(self) -> str:
        """Which key this is: 16 hex digits that do not help to find the key.

        Raises:
            LedgerError: The vault is not open.
        """
        return (self._sealer or _not_open()).key_id

    def seal(self, plain: bytes, about: str) -> str:
        """Return ``plain`` sealed, as text for a column.

        ``about`` says what the secret belongs to, such as the key of its row. It is not in the
        text, and nothing else opens it. Sealing the same twice gives two texts.

        Raises:
            LedgerError: The vault is not open.
        """
        if self._sealer is None:
            del plain
            _not_open()
        return self._sealer.seal(plain, about)

    def unseal(self, sealed: str, about: str) -> bytes:
        """Return what was sealed.

        Raises:
            LedgerError: It was sealed with another key or about something else, it is damaged, or
                the vault is not open.
        """
        return (self._sealer or _not_open()).unseal(sealed, about)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with its key in {self._place.kind}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a vault is not copied or pickled: its key stays in this process")


class _Sealer:
    """A key in use. The bytes of it are held by the cipher only, which does not give them away."""

    __slots__ = ("_cipher", "key_id")

    def __init__(self, cipher: AESGCM, key_id: str) -> None:
        self._cipher = cipher
        self.key_id = key_id

    def seal(self, plain: bytes, about: str) -> str:
        # random nonces are safe for four thousand million secrets per key
        nonce = os.urandom(_NONCE)
        return b64encode(
            _VERSION + nonce + self._cipher.encrypt(nonce, plain, _bound(about))
        ).decode()

    def unseal(self, sealed: str, about: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        parts = _parts(sealed)
        if parts is None:
            raise _closed("is damaged, or of a later version of this package")
        try:
            return self._cipher.decrypt(*parts, _bound(about))
        except InvalidTag:
            raise _closed(
                "was sealed with another key or about something else, or is damaged"
            ) from None

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key in use is not copied or pickled: it stays in this process")


def _load(place: KeyPlace) -> _Sealer | ConfigurationError:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = place.fetch()
    if isinstance(key, ConfigurationError):
        return key
    return _Sealer(AESGCM(key), sha256(_ID_DOMAIN + key).hexdigest()[:16])


def _key_place(place: str, key: str | None) -> KeyPlace:
    if place == IN_MEMORY:
        return KeyInMemory()
    name = _name_of(place)
    if key == KEYRING:
        return KeyInKeyring(
            lambda: f"store-{_digest(name())}", lambda: default_folder() / "keyring.lock"
        )
    if key is not None:
        return KeyFile(lambda: Path(key))
    if _URL.match(place):
        return KeyFile(lambda: default_folder() / f"postgresql-{_digest(name())}.key")
    return KeyFile(lambda: Path(f"{name()}.key"))


def _name_of(place: str) -> Callable[[], str]:
    """Return what finds the one name that a store has under all of its spellings.

    A URL's is known at once, so that its password is not kept; a path's is found on the disk.
    """
    url = _URL.match(place)
    if url is None:
        return lambda: os.path.realpath(place)
    name = _MASKED.sub("", without_secrets(place)[url.end() :])
    return lambda: name


def _digest(name: str) -> str:
    return sha256(os.fsencode(name)).hexdigest()[:16]


def _bound(about: str) -> bytes:
    # any text is taken: an encoding error would show the secret in its frames
    return _SEAL_DOMAIN + _VERSION + about.encode("utf-8", "surrogatepass")


def _parts(sealed: str) -> tuple[bytes, bytes] | None:
    """Return nonce and ciphertext, if ``sealed`` is exactly what ``seal`` may have written."""
    try:
        raw = b64decode(sealed, validate=True)
    except ValueError:
        return None
    canonical = b64encode(raw).decode() == sealed  # base64 has several spellings of some bytes
    if not canonical or raw[:1] != _VERSION or len(raw) < 1 + _NONCE + _TAG:
        return None
    return raw[1 : 1 + _NONCE], raw[1 + _NONCE :]


def _not_open() -> NoReturn:
    raise LedgerError(
        "the vault of the store is not open", hint="Use the client inside `async with`."
    )


def _closed(why: str) -> LedgerError:
    return LedgerError(
        f"a secret in the store cannot be opened: it {why}",
        hint="Pass store_key= the key that this store was used with.",
    )
