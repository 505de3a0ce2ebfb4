"""Calldata and revert data of the contracts that the facilitator speaks to.

The structs follow sections 2.4, 2.5, 5.2 and 6.4 of the protocol notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from ...errors import RpcError
from ...types import keccak256
from .reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...types import Address, Bytes32
    from .data import IndividualSettlement
    from .eip2612 import TokenPermit
    from .permit import Permit

_PERMIT: Final = "((address,uint256),uint256,uint256)"
_UPTO: Final = (_PERMIT, "uint256", "address", "(address,address,uint256)", "bytes")
_EXACT: Final = (_PERMIT, "address", "(address,uint256)", "bytes")
_PERMIT_2612: Final = "(uint256,uint256,bytes32,bytes32,uint8)"


def selector(signature: str) -> bytes:
    """Return the first four bytes of keccak of a canonical signature such as ``f(uint256)``."""
    return keccak256(signature.encode())[:4]


def _call(name: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    return selector(f"{name}({','.join(types)})") + encode(types, values)


def decode_uint(data: bytes) -> int:
    """Return the single uint256 that a view answered.

    Raises:
        RpcError: Something else came back, as it does from an address without code.
    """
    try:
        return cast("int", decode(("uint256",), data)[0])
    except DecodingError as error:
        raise RpcError(
            "a contract answered something that is no number", data=data.hex()
        ) from error


# --- tokens -------------------------------------------------------------------------------------

APPROVE: Final = selector("approve(address,uint256)")


def balance_of(owner: Address) -> bytes:
    """Calldata of ERC-20 ``balanceOf``."""
    return _call("balanceOf", ("address",), (owner,))


def allowance(owner: Address, spender: Address) -> bytes:
    """Calldata of ERC-20 ``allowance``."""
    return _call("allowance", ("address", "address"), (owner, spender))


# --- the x402 proxies ---------------------------------------------------------------------------


def settle(permit: Permit, amount: int) -> bytes:
    """Calldata of the proxy's ``settle``; ``amount`` in atoms (``exact`` moves the whole cap)."""
    types, values = _settlement(permit, amount)
    return _call("settle", types, values)


def settle_with_permit(permit: Permit, amount: int, token_permit: TokenPermit) -> bytes:
    """Calldata of the proxy's ``settleWithPermit``, which sets the allowance by EIP-2612 first."""
    types, values = _settlement(permit, amount)
    signature = token_permit.signature
    first = (
        token_permit.amount,
        token_permit.deadline,
        signature[:32],
        signature[32:64],
        signature[64],
    )
    return _call("settleWithPermit", (_PERMIT_2612, *types), (first, *values))


def _settlement(permit: Permit, amount: int) -> tuple[Sequence[str], Sequence[object]]:
    signed = ((permit.token, permit.cap), permit.nonce, permit.deadline)
    if permit.facilitator is None:
        witness = (permit.recipient, permit.valid_after)
        return _EXACT, (signed, permit.owner, witness, permit.signature)
    bound = (permit.recipient, permit.facilitator, permit.valid_after)
    return _UPTO, (signed, amount, permit.owner, bound, permit.signature)


_REVERTS: Final[dict[bytes, Reason]] = {
    selector(signature): reason
    for signature, reason in (
        ("InvalidNonce()", Reason.INVALID_NONCE),
        ("SignatureExpired(uint256)", Reason.DEADLINE_EXPIRED),
        ("InvalidSigner()", Reason.INVALID_SIGNATURE),
        ("InvalidSignature()", Reason.INVALID_SIGNATURE),
        ("InvalidSignatureLength()", Reason.INVALID_SIGNATURE),
        ("InvalidContractSignature()", Reason.INVALID_SIGNATURE),
        ("InvalidAmount()", Reason.INVALID_AMOUNT),
        ("InvalidDestination()", Reason.INVALID_DESTINATION),
        ("InvalidOwner()", Reason.INVALID_OWNER),
        ("PaymentTooEarly()", Reason.PAYMENT_TOO_EARLY),
        ("AmountExceedsPermitted()", Reason.AMOUNT_EXCEEDS_PERMITTED),
        ("UnauthorizedFacilitator()", Reason.UNAUTHORIZED_FACILITATOR),
        ("Permit2612AmountMismatch()", Reason.TOKEN_PERMIT_AMOUNT_MISMATCH),
    )
}
_ERROR_TEXT: Final = selector("Error(string)")


def reason_of_revert(data: bytes) -> Reason | None:
    """Return the reason code for revert data of the proxy or of Permit2, if there is one."""
    return _REVERTS.get(data[:4])


def is_failed_transfer(data: bytes) -> bool:
    """Return whether Permit2 accepted everything and only the token refused to move.

    Permit2 pulls the tokens last, and says ``TRANSFER_FROM_FAILED`` when the token refuses.
    """
    return data[:4] == _ERROR_TEXT and b"TRANSFER_FROM_FAILED" in data


# --- registry and settlement relay --------------------------------------------------------------


def heartbeat(tee_id: Bytes32, timestamp: int, signature: bytes) -> bytes:
    """Calldata of ``TEERegistry.heartbeat``; ``timestamp`` is in Unix seconds."""
    return _call("heartbeat", ("bytes32", "uint256", "bytes"), (tee_id, timestamp, signature))


def batch_settle(root: Bytes32, size: int, blob_id: str) -> bytes:
    """Calldata of the relay's ``batchSettle``; the blob id travels as UTF-8 text."""
    values = (root, size, blob_id.encode())
    return _call("batchSettle", ("bytes32", "uint256", "bytes"), values)


def settle_individual(settlement: IndividualSettlement, blob_id: str) -> bytes:
    """Calldata of the relay's ``settleIndividual``; the blob id travels as UTF-8 text."""
    leaf = settlement.leaf
    hashes = (leaf.tee_id, leaf.input_hash, leaf.output_hash)
    rest = (leaf.timestamp, settlement.eth_address, blob_id.encode(), leaf.signature)
    types = ("bytes32", "bytes32", "bytes32", "uint256", "address", "bytes", "bytes")
    return _call("settleIndividual", types, (*hashes, *rest))
