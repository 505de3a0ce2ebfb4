"""Checkpoints: how far every chain of a store had come, signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self, cast

from .._core.store import Db
from ..errors import LedgerError
from .entries import Head, encoded, seconds
from .keys import public_text
from .lines import CHECKPOINT, Line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_VERSION: Final = 1
_DOMAIN: Final = b"opengradient ledger checkpoint\0"
_HASH: Final = 64  # hex digits


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last entry of every writer at one time, signed with the store's ledger key (Ed25519).

    **Trust**: it proves that these entries, and all before them, were there when it was signed. To
    whoever can use the store's key it proves nothing, unless it was kept where they cannot write.

    ``at`` is Unix seconds of the clock of the client that signed it; ``public_key`` and
    ``signature`` are hex.
    """

    at: float
    heads: tuple[Head, ...]
    public_key: str
    signature: str

    @classmethod
    def signed(cls, key: Ed25519PrivateKey, heads: Iterable[Head], *, at: float) -> Self:
        """Return the checkpoint of these heads."""
        public_key = public_text(key)
        ordered = tuple(sorted(heads))
        text = _statement(seconds(at), ordered, public_key)
        return cls(at, ordered, public_key, key.sign(text).hex())

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what is signed; 32 bytes."""
        return sha256(_statement(self.at, self.heads, self.public_key)).digest()

    @property
    def id(self) -> str:
        """The digest, in hex."""
        return self.digest.hex()

    def verify(self, public_key: str | None = None) -> None:
        """Return if the signature is good.

        Args:
            public_key: Whose it must be, in hex. ``None``: of the key that it names itself, which
                anybody can have made.

        Raises:
            LedgerError: It is not good, or of another key.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if public_key is not None and public_key != self.public_key:
            raise LedgerError(
                f"the checkpoint {self.id} is signed with the key {self.public_key}, not with"
                f" {public_key}",
                hint="Somebody else has signed it: believe nothing that it says.",
            )
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(
                bytes.fromhex(self.signature), _statement(self.at, self.heads, self.public_key)
            )
        except (InvalidSignature, ValueError) as error:
            raise LedgerError(
                f"the checkpoint {self.id} has a bad signature",
                hint="It was changed, or is not from this ledger: believe nothing that it says.",
            ) from error

    def to_json(self) -> dict[str, object]:
        """Return the checkpoint as JSON values."""
        return {
            "v": _VERSION,
            "at": self.at,
            "heads": [list(head) for head in self.heads],
            "public_key": self.public_key,
            "signature": self.signature,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the checkpoint that ``to_json`` wrote. Its signature is not verified by this.

        Raises:
            ValueError: Not that form.
        """
        if not isinstance(value, Mapping):
            raise ValueError("a checkpoint is an object")
        members = cast(Mapping[str, Any], value)
        try:
            if members["v"] != _VERSION:
                raise ValueError(f"a checkpoint of version {members['v']!r}")
            return cls(
                seconds(float(members["at"])),
                tuple(_head(*head) for head in members["heads"]),
                _hex(members["public_key"]),
                _hex(members["signature"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a checkpoint: {error}") from error


def read_heads(db: Db) -> list[Head]:
    """Return the last entries of all writers in the store."""
    rows = db.execute(
        "SELECT entry.writer, entry.seq, entry.hash FROM ledger_writer AS owner"
        " JOIN ledger_entry AS entry ON entry.writer = owner.id AND entry.seq ="
        " (SELECT MAX(last.seq) FROM ledger_entry AS last WHERE last.writer = owner.id)"
    )
    return [Head(*row) for row in rows]


def write_checkpoint(checkpoint: Checkpoint) -> Line:
    """Return the line that keeps a checkpoint."""
    body = encoded(checkpoint.to_json())
    return Line(
        "checkpoint",
        checkpoint.at,
        checkpoint.id,
        body,
        effects=((CHECKPOINT, (checkpoint.id, checkpoint.at, body)),),
    )


def _statement(at: float, heads: Iterable[Head], public_key: str) -> bytes:
    said = {"v": _VERSION, "at": at, "heads": [list(h) for h in heads], "public_key": public_key}
    return _DOMAIN + encoded(said).encode()


def _head(writer: object, seq: object, hash_: object) -> Head:
    if not isinstance(writer, str) or type(seq) is not int or len(_hex(hash_)) != _HASH:
        raise ValueError("a head is a writer, a number and a hash")
    return Head(writer, seq, cast(str, hash_))


def _hex(value: object) -> str:
    if not isinstance(value, str) or value != value.lower():
        raise ValueError("keys, signatures and hashes are lower-case hex")
    bytes.fromhex(value)
    return value
