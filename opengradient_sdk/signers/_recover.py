"""Who signed: the checks that a foreign signature must pass before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import SignerError
from ..types import Address, Bytes32, PreparedTx, SignedTx, TypedData, keccak256

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF_ORDER: Final = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
_BAD_SIGNER: Final = "the signer returned something other than what it was asked to sign"


def address_of(public_key: bytes) -> Address:
    """Return the account of an uncompressed public key (65 bytes, first byte 4)."""
    return Address.from_bytes(keccak256(public_key[1:])[12:])


def recover_address(digest: bytes, signature: bytes) -> Address:
    """Return the account whose key made the 65-byte signature r || s || v of ``digest``.

    Raises:
        SignerError: Not 65 bytes, v is neither 27 nor 28, s is in the upper half (contracts that
            follow EIP-2 refuse it), or no key can have made it.
    """
    from coincurve import PublicKey

    if len(signature) != 65 or signature[64] not in (27, 28):
        raise SignerError("a signature has 65 bytes r || s || v with v = 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise SignerError("the signature's s is in the upper half of the curve's order (EIP-2)")
    recoverable = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # coincurve raises no narrower one
        raise SignerError("no key can have made this signature") from error
    return address_of(key.format(compressed=False))


def check_typed_signature(data: TypedData, signature: bytes, signer: Address) -> None:
    """Return if ``signature`` is ``signer``'s over ``data``.

    Raises:
        SignerError: It is somebody else's, or none.
    """
    recovered = recover_address(data.digest(), signature)
    if recovered != signer:
        raise SignerError(
            f"the signature is not one of {signer} over this {data.primary_type}",
            hint=f"{_BAD_SIGNER}; is it unlocked for another account?",
        )


def encoding_errors() -> tuple[type[Exception], ...]:
    """Return what eth_account raises on fields or bytes that are no transaction."""
    from rlp.exceptions import RLPException  # type: ignore[import-untyped]

    return (TypeError, ValueError, RLPException)


def transaction_fields(tx: PreparedTx) -> dict[str, object]:
    """Return the members of an unsigned EIP-1559 transaction under their JSON-RPC names."""
    return {
        "type": 2,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "maxPriorityFeePerGas": tx.max_priority_fee_per_gas,
        "maxFeePerGas": tx.max_fee_per_gas,
        "gas": tx.gas,
        "to": tx.to.to_bytes() if tx.to is not None else b"",
        "value": tx.value,
        "data": tx.data,
        "accessList": tuple(
            {"address": address, "storageKeys": tuple(str(key) for key in keys)}
            for address, keys in tx.access_list
        ),
    }


def check_signed_transaction(signed: SignedTx, tx: PreparedTx) -> None:
    """Return if ``signed`` is ``tx``, every field as it was asked for, signed by its sender.

    Raises:
        SignerError: Another hash, another field, or another sender.
    """
    from eth_account import Account

    if signed.tx != tx:
        raise SignerError("the signer returned another transaction", hint=_BAD_SIGNER)
    if signed.hash != Bytes32(keccak256(signed.raw)):
        raise SignerError("the hash is not that of the signed transaction", hint=_BAD_SIGNER)
    for name, (asked, got) in _differences(tx, signed.raw).items():
        raise SignerError(f"the signer changed {name} from {asked} to {got}", hint=_BAD_SIGNER)
    sender = Address(Account.recover_transaction(signed.raw))
    if sender != tx.sender:
        raise SignerError(f"the transaction is signed by {sender}, not {tx.sender}")


def _differences(tx: PreparedTx, raw: bytes) -> Mapping[str, tuple[object, object]]:
    """Return the fields in which the signed bytes differ from what was asked."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    try:
        decoded = TypedTransaction.from_bytes(HexBytes(raw))
    except encoding_errors() as error:
        raise SignerError("the signed transaction cannot be decoded", hint=_BAD_SIGNER) from error
    asked = TypedTransaction.from_dict(transaction_fields(tx)).as_dict()
    got = decoded.as_dict()
    return {name: (value, got.get(name)) for name, value in asked.items() if got.get(name) != value}
