"""A transaction and its signature: put together, checked, taken apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ...errors import SignerError
from ...types import Address, Bytes32, PreparedTx, SignedTx, TxType, keccak256
from .fields import fields_of, transaction_of
from .rlp import Item, decode, encode, integer

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _ORDER // 2
_LEAST_V: Final = 35  # of EIP-155: v = 35 + 2 * chain id + y parity
_LIST: Final = 0xC0  # the least first byte of an RLP list
_STANDARDS: Final = {
    TxType.LEGACY: "EIP-155",
    TxType.ACCESS_LIST: "EIP-2930",
    TxType.DYNAMIC_FEE: "EIP-1559",
    TxType.SET_CODE: "EIP-7702",
}
_UNFIT: Final = (ValueError, OverflowError, TypeError, AttributeError)


class _Signature(NamedTuple):
    y_parity: int
    r: int
    s: int


class _Opened(NamedTuple):
    """Signed bytes taken apart; ``chain_id`` is the signature's, which legacy ones alone have."""

    kind: TxType
    fields: Sequence[Item]
    chain_id: int
    signature: _Signature


def unsigned_bytes(tx: PreparedTx) -> bytes:
    """Return what is hashed and signed: the type byte and the RLP of the type's fields.

    Raises:
        SignerError: A field is none that a transaction of this type can have.
    """
    return _preimage(tx.type, tx.chain_id, _fields(tx))


def seal(tx: PreparedTx, signature: bytes) -> SignedTx:
    """Return ``tx`` with the signature r || s || v (v = 27 or 28) of its unsigned bytes.

    Raises:
        SignerError: A field is none that a transaction of this type can have.
    """
    return _joined(tx, _fields(tx), signature)


def sign(tx: PreparedTx, sign_digest: Callable[[bytes], bytes]) -> SignedTx:
    """Return ``tx`` with the signature that ``sign_digest`` makes of its digest, as ``seal`` takes.

    Raises:
        SignerError: A field is none that a transaction of this type can have.
    """
    fields = _fields(tx)  # once: a thousand transactions a second are signed this way
    digest = keccak256(_preimage(tx.type, tx.chain_id, fields))
    return _joined(tx, fields, sign_digest(digest))


def check_signed(asked: PreparedTx, signed: SignedTx) -> None:
    """Return if ``signed`` is exactly ``asked``, signed by its sender.

    Raises:
        SignerError: Another transaction, another account, a malleable signature, or a hash that is
            not that of the bytes. Nothing was sent.
    """
    if signed.tx != asked or signed.hash != keccak256(signed.raw):
        raise _refused("the signer returned a transaction other than the one it was asked for")
    opened = _open_as(asked.type, signed.raw)
    if not _is_taken(opened.signature):
        raise _refused("the signer returned a signature that no chain takes")
    # built again around the signature that was found: so the reading needs no strictness
    if signed.raw != _sealed(asked, _fields(asked), opened.signature):
        raise _refused("the signed bytes are not the transaction that was asked for")
    if _sender(opened) != asked.sender:
        raise _refused(f"the signature is not one of {asked.sender}")


def read_signed(
    raw: bytes, *, allow_spend: bool = False, l1_fee: int = 0, fee_cap: int | None = None
) -> SignedTx:
    """Return the transaction that signed bytes hold, its sender recovered from the signature.

    ``allow_spend``, ``l1_fee`` (wei) and ``fee_cap`` (wei per gas) are not in the bytes and are
    taken as given.

    Raises:
        SignerError: Not the one canonical encoding of a signed transaction of a known type, or a
            signature that no chain takes.
    """
    try:
        tx = _read(_open(raw), raw)
    except ValueError as error:
        raise SignerError(
            f"these bytes are no signed transaction: {error}",
            hint="Types 0 (EIP-155), 1, 2 and 4 are read, as they are broadcast.",
        ) from error
    tx = replace(tx, allow_spend=allow_spend, l1_fee=l1_fee, fee_cap=fee_cap)
    return SignedTx(tx, raw, Bytes32(keccak256(raw)))


def _read(opened: _Opened, raw: bytes) -> PreparedTx:
    if not _is_taken(opened.signature):
        raise ValueError("no chain takes the signature")
    if (sender := _sender(opened)) is None:
        raise ValueError("the signature belongs to no key")
    tx = transaction_of(opened.kind, opened.fields, sender, chain_id=opened.chain_id)
    if raw != _sealed(tx, _fields(tx), opened.signature):
        raise ValueError("they are not written the one way that chains read")
    return tx


def _fields(tx: PreparedTx) -> list[Item]:
    try:
        return fields_of(tx)
    except _UNFIT as error:
        raise SignerError(f"this transaction cannot be signed: {error}") from error


def _preimage(kind: TxType, chain_id: int, fields: Sequence[Item]) -> bytes:
    if kind is TxType.LEGACY:
        return encode([*fields, integer(chain_id), b"", b""])
    return bytes([kind]) + encode(fields)


def _joined(tx: PreparedTx, fields: Sequence[Item], signature: bytes) -> SignedTx:
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    raw = _sealed(tx, fields, _Signature(signature[64] - 27, r, s))
    return SignedTx(tx, raw, Bytes32(keccak256(raw)))


def _sealed(tx: PreparedTx, fields: Sequence[Item], signature: _Signature) -> bytes:
    y_parity, r, s = signature
    if tx.type is TxType.LEGACY:
        v = _LEAST_V + 2 * tx.chain_id + y_parity
        return encode([*fields, integer(v), integer(r), integer(s)])
    return bytes([tx.type]) + encode([*fields, integer(y_parity), integer(r), integer(s)])


def _open_as(kind: TxType, raw: bytes) -> _Opened:
    try:
        opened = _open(raw)
    except ValueError:
        opened = None
    if opened is None or opened.kind is not kind:
        raise _refused(f"the signed bytes are not an {_STANDARDS[kind]} transaction")
    return opened


def _open(raw: bytes) -> _Opened:
    """Return the parts of ``raw``.

    Raises:
        ValueError: These are not the bytes of a signed transaction.
    """
    kind = _kind(raw)
    items = decode(raw if kind is TxType.LEGACY else raw[1:])
    if isinstance(items, bytes) or len(items) < 3:
        raise ValueError("there is no signature")
    v, r, s = (_number(item) for item in items[-3:])
    if kind is not TxType.LEGACY:
        return _Opened(kind, items[:-3], 0, _Signature(v, r, s))
    if v < _LEAST_V:
        raise ValueError("the signature is good on every chain (it is older than EIP-155)")
    chain_id, y_parity = divmod(v - _LEAST_V, 2)
    return _Opened(kind, items[:-3], chain_id, _Signature(y_parity, r, s))


def _kind(raw: bytes) -> TxType:
    if not raw or not raw[0]:
        raise ValueError("there is no type of transaction")  # a legacy one starts with its list
    return TxType.LEGACY if raw[0] >= _LIST else TxType(raw[0])


def _number(item: Item) -> int:
    if not isinstance(item, bytes) or len(item) > 32:
        raise ValueError("something else in the signature's place")
    return int.from_bytes(item, "big")


def _is_taken(signature: _Signature) -> bool:
    """Return whether chains take the signature (EIP-2: s is in the lower half)."""
    y_parity, r, s = signature
    return y_parity in (0, 1) and 0 < r < _ORDER and 0 < s <= _HALF_ORDER


def _sender(opened: _Opened) -> Address | None:
    """Return who signed; ``None`` where no key can have."""
    from coincurve import PublicKey

    y_parity, r, s = opened.signature
    compact = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([y_parity])
    digest = keccak256(_preimage(opened.kind, opened.chain_id, opened.fields))
    try:
        key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except ValueError:
        return None
    return Address.from_bytes(keccak256(key.format(compressed=False)[1:])[12:])


def _refused(why: str) -> SignerError:
    return SignerError(why, hint="Nothing was sent. Do not use this signer until you know why.")
