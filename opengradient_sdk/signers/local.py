"""A key in this process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Self

from ..errors import ConfigurationError
from ..types import Address, PreparedTx, SignedTx, TypedData
from ._digests import check_sender, typed_digest
from ._keys import Outcome, or_raise, read_key
from ._recover import address_of
from .envelope import sign
from .keyring import SERVICE, USERNAME, read_from_keyring
from .protocol import Signer

if TYPE_CHECKING:
    from coincurve import PrivateKey

_CIPHER: Final = "aes-128-ctr"
ETHEREUM_PATH: Final = "m/44'/60'/0'/0/0"


class LocalSigner:
    """A wallet whose private key is held in this process's memory.

    The key never shows in a ``repr``, a pickle, an error or a traceback of this class. Anything
    that can read this process's memory can read the key: where that is too much, keep the key in
    another program (``RemoteSigner``) or in a key service (``DigestSigner``).

    Signatures are deterministic (RFC 6979) with a low s (EIP-2).

    Args:
        key: 64 hex digits with or without ``0x``, or 32 bytes.

    Raises:
        ConfigurationError: Not a private key; the hint says what it looks like.

    Example:
        >>> LocalSigner("0x" + "11" * 32)
        LocalSigner(0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A)
    """

    __slots__ = ("_address", "_key")

    _address: Address
    _key: PrivateKey

    def __init__(self, key: str | bytes) -> None:
        from coincurve import PrivateKey

        outcome = read_key(key)
        del key  # a traceback shows the locals of its frames
        self._key = PrivateKey(or_raise(outcome))
        self._address = address_of(self._key.public_key.format(compressed=False))

    @classmethod
    def from_key(cls, key: str | bytes) -> Self:
        """Return the signer of a private key: 64 hex digits with or without ``0x``, or 32 bytes.

        Raises:
            ConfigurationError: Not a private key; the hint says what it looks like.
        """
        outcome = read_key(key)
        del key
        return cls(or_raise(outcome))

    @classmethod
    def from_mnemonic(cls, words: str, path: str = ETHEREUM_PATH, passphrase: str = "") -> Self:
        """Return the signer at ``path`` of a BIP-39 mnemonic (BIP-44 derivation).

        Raises:
            ConfigurationError: Not a mnemonic (a word or its checksum is wrong), or not a path.
        """
        outcome = _derive(words, path, passphrase)
        del words, passphrase
        return cls(or_raise(outcome))

    @classmethod
    def from_keystore(cls, source: str | os.PathLike[str], password: str) -> Self:
        """Return the signer of an encrypted keystore (Web3 Secret Storage, version 3).

        ``source`` is the JSON text itself or the path of a file. Deriving the key takes about a
        second by design of the format, and blocks; ``open_keystore`` does not.

        Raises:
            ConfigurationError: No such file, not a keystore, a damaged one, or another password.
        """
        outcome = _open(source, password)
        del password
        return cls(or_raise(outcome))

    @classmethod
    async def open_keystore(cls, source: str | os.PathLike[str], password: str) -> Self:
        """Return what ``from_keystore`` returns, while other tasks go on: a thread does the work.

        A cancelled call leaves at once; its thread ends by itself within the second.

        Raises:
            ConfigurationError: No such file, not a keystore, a damaged one, or another password.
        """
        outcome = await asyncio.to_thread(_open, source, password)
        del password
        return cls(or_raise(outcome))

    @classmethod
    def from_keyring(cls, service: str = SERVICE, username: str = USERNAME) -> Self:
        """Return the signer of a key in the operating system's keyring (extra ``[keyring]``).

        ``store_in_keyring`` puts it there. This blocks, and the system may ask its user for a
        password: call it before the event loop runs, or in a thread.

        Raises:
            ConfigurationError: No such entry, no private key in it, a locked keyring, none at all,
                or the extra is not installed.
        """
        outcome = read_from_keyring(service, username)
        return cls(or_raise(outcome))

    @property
    def address(self) -> Address:
        """The account that signs."""
        return self._address

    async def sign_typed_data(self, data: TypedData) -> bytes:
        """Return the 65-byte signature r || s || v (v = 27 or 28, low s) of ``data`` (EIP-712).

        **Money**: the signature of a Permit2 witness transfer is worth up to its amount.

        Raises:
            SignerError: A member of ``data`` is missing or does not fit its type.
        """
        return self._sign_digest(typed_digest(data))

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        """Return ``tx`` signed, every field as it was asked for.

        **Money**: a signed transaction can be sent by whoever holds it, for ever.

        Raises:
            SignerError: Another account's transaction, or a field that does not fit.
        """
        check_sender(tx, self._address)
        return sign(tx, self._sign_digest)

    def _sign_digest(self, digest: bytes) -> bytes:
        # coincurve leaves the type of an argument open that is not used here
        signature = self._key.sign_recoverable(  # pyright: ignore[reportUnknownMemberType]
            digest, hasher=None
        )
        return signature[:64] + bytes([signature[64] + 27])

    def __repr__(self) -> str:
        # A traceback also shows a signer whose key was refused: it has no address.
        return f"{type(self).__name__}({getattr(self, '_address', 'no key')})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer is not copied or pickled: its key stays in this process")


def signer_from(value: object) -> Signer:
    """Return ``value`` as a signer: a private key's text or bytes, or a ``Signer`` as it is.

    Raises:
        ConfigurationError: Neither of the two, or not a private key.
    """
    if isinstance(value, str | bytes):
        outcome = read_key(value)
        del value
        return LocalSigner(or_raise(outcome))
    if type(value).__module__.partition(".")[0] == "eth_account":
        # It has methods of these names, but they are synchronous and take other arguments.
        raise ConfigurationError(
            "an account of eth_account is no signer of this package",
            hint="write LocalSigner.from_key(account.key)",
        )
    if isinstance(value, Signer):
        return value
    raise ConfigurationError(
        f"a {type(value).__name__} is no signer",
        hint="pass a private key, a LocalSigner, or an object with address, sign_transaction and "
        "sign_typed_data",
    )


def _derive(words: str, path: str, passphrase: str) -> Outcome:
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
    from eth_utils.exceptions import ValidationError

    try:
        seed = seed_from_mnemonic(" ".join(words.split()), passphrase)
    except (ValidationError, ValueError):  # their text repeats the words
        return ConfigurationError(
            "the mnemonic is not valid",
            hint="12 to 24 words of one BIP-39 word list, in order; the last holds a checksum",
        )
    try:
        return bytes(key_from_seed(seed, path))
    except (ValidationError, ValueError):
        return ConfigurationError(
            f"{path!r} is not a derivation path", hint=f"for example {ETHEREUM_PATH}"
        )


def _open(source: str | os.PathLike[str], password: str) -> Outcome:
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return _decrypt(source, password)
    try:
        text = Path(source).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # their text repeats what may be a key in a wrong place
        return ConfigurationError(
            f"the keystore file cannot be read: {type(error).__name__}",
            hint="pass the path of a keystore file, or its JSON text",
        )
    return _decrypt(text, password)


def _decrypt(keystore: str, password: str) -> Outcome:
    from eth_account import Account

    no_keystore = ConfigurationError(
        "this is no keystore", hint="a keystore is Web3 Secret Storage JSON, version 3"
    )
    if f'"{_CIPHER}"' not in keystore:
        return no_keystore  # eth_account would read another cipher as if it were this one
    try:
        return read_key(bytes(Account.decrypt(keystore, password)))
    except ValueError as error:
        if "MAC" not in str(error):
            return no_keystore
        return ConfigurationError("the keystore was encrypted with another password, or is damaged")
    except (KeyError, TypeError, NotImplementedError):
        return no_keystore  # a JSON document of another shape
