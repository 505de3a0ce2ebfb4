"""The bytes of an EIP-1559 transaction: made here, and compared with what a signer returned.

Small and our own because the paid path signs approvals: eth_account costs half a second of import.
Held to eth_account by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import SignerError
from ..types import Address, Bytes32, PreparedTx, SignedTx, keccak256

_TYPE: Final = b"\x02"
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _ORDER // 2
_SIGNED_FIELDS: Final = 12

Rlp = bytes | Sequence["Rlp"]


def unsigned_bytes(tx: PreparedTx) -> bytes:
    """Return what is hashed and signed (EIP-1559): the type byte and the RLP of nine fields."""
    return _TYPE + _rlp(_fields(tx))


def seal(tx: PreparedTx, signature: bytes) -> SignedTx:
    """Return ``tx`` with the signature r || s || v (v = 27 or 28) of its unsigned bytes."""
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    raw = _sealed(tx, signature[64] - 27, r, s)
    return SignedTx(tx, raw, Bytes32(keccak256(raw)))


def check_signed(asked: PreparedTx, signed: SignedTx) -> None:
    """Return if ``signed`` is exactly ``asked``, signed by its sender.

    Raises:
        SignerError: Another transaction, another account, a malleable signature, or a hash that is
            not that of the bytes. Nothing was sent.
    """
    if signed.tx != asked or signed.hash != keccak256(signed.raw):
        raise _refused("the signer returned a transaction other than the one it was asked for")
    y_parity, r, s = _signature(asked, signed.raw)
    if y_parity > 1 or not 0 < r < _ORDER or not 0 < s <= _HALF_ORDER:
        raise _refused("the signer returned a signature that no chain takes")
    if _recovered(asked, y_parity, r, s) != asked.sender:
        raise _refused(f"the signature is not one of {asked.sender}")


def _signature(asked: PreparedTx, raw: bytes) -> tuple[int, int, int]:
    """Return y parity, r and s, once everything before them is what was asked for.

    The whole envelope is built again around the signature that was found and compared with the
    bytes, so that the reading below needs no strictness of its own.
    """
    y_parity, r, s = (int.from_bytes(part, "big") for part in _last_three(raw))
    if raw != _sealed(asked, y_parity, r, s):
        raise _refused("the signed bytes are not the transaction that was asked for")
    return y_parity, r, s


def _last_three(raw: bytes) -> list[bytes]:
    """Return the contents of the last three items of the list behind the type byte."""
    contents: list[bytes] = []
    position, _ = _span(raw, len(_TYPE))
    while position < len(raw):
        start, end = _span(raw, position)
        contents.append(raw[start:end])
        position = end
    if len(contents) != _SIGNED_FIELDS or position != len(raw):
        raise _refused("the signed bytes are not an EIP-1559 transaction")
    return contents[-3:]


def _span(raw: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the RLP item at ``at`` starts and ends."""
    head = raw[at] if at < len(raw) else 0
    if head < 0x80:
        return at, at + 1
    size = head - (0x80 if head < 0xC0 else 0xC0)
    if size <= 55:
        return at + 1, at + 1 + size
    start = at + 1 + size - 55
    return start, start + int.from_bytes(raw[at + 1 : start], "big")


def _recovered(asked: PreparedTx, y_parity: int, r: int, s: int) -> Address:
    from coincurve import PublicKey

    compact = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([y_parity])
    try:
        key = PublicKey.from_signature_and_message(
            compact, keccak256(unsigned_bytes(asked)), hasher=None
        )
    except ValueError:
        raise _refused("the signature belongs to no key") from None
    return Address.from_bytes(keccak256(key.format(compressed=False)[1:])[12:])


def _sealed(tx: PreparedTx, y_parity: int, r: int, s: int) -> bytes:
    return _TYPE + _rlp([*_fields(tx), _integer(y_parity), _integer(r), _integer(s)])


def _fields(tx: PreparedTx) -> list[Rlp]:
    return [
        _integer(tx.chain_id),
        _integer(tx.nonce),
        _integer(tx.max_priority_fee_per_gas),
        _integer(tx.max_fee_per_gas),
        _integer(tx.gas),
        tx.to.to_bytes() if tx.to is not None else b"",
        _integer(tx.value),
        tx.data,
        [[address.to_bytes(), list[Rlp](keys)] for address, keys in tx.access_list],
    ]


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _rlp(item: Rlp) -> bytes:
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length(len(item), 0x80) + item
    body = b"".join(_rlp(part) for part in item)
    return _length(len(body), 0xC0) + body


def _length(size: int, offset: int) -> bytes:
    if size <= 55:
        return bytes([offset + size])
    digits = _integer(size)
    return bytes([offset + 55 + len(digits)]) + digits


def _refused(why: str) -> SignerError:
    return SignerError(why, hint="Nothing was sent. Do not use this signer until you know why.")
