"""Why a payment or a request is refused, in the codes of the live (TypeScript) facilitator."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason code as it travels in ``invalidReason`` and ``errorReason`` (protocol notes 2.9).

    The codes at the end are this Devnet's own: the live facilitator has no such limits.
    """

    UNSUPPORTED_PAYLOAD = "unsupported_payload_type"
    UNSUPPORTED_VERSION = "invalid_x402_version"
    UPTO_SCHEME = "invalid_upto_evm_scheme"
    UPTO_NETWORK = "invalid_upto_evm_network_mismatch"
    EXACT_SCHEME = "invalid_exact_evm_scheme"
    EXACT_NETWORK = "invalid_exact_evm_network_mismatch"
    EIP3009_NOT_SUPPORTED = "invalid_exact_evm_eip3009_not_supported"
    INVALID_SPENDER = "invalid_permit2_spender"
    RECIPIENT_MISMATCH = "invalid_permit2_recipient_mismatch"
    FACILITATOR_MISMATCH = "upto_facilitator_mismatch"
    DEADLINE_EXPIRED = "permit2_deadline_expired"
    NOT_YET_VALID = "permit2_not_yet_valid"
    AMOUNT_MISMATCH = "permit2_amount_mismatch"
    TOKEN_MISMATCH = "permit2_token_mismatch"  # noqa: S105 - a reason code
    INVALID_SIGNATURE = "invalid_permit2_signature"
    ALLOWANCE_REQUIRED = "permit2_allowance_required"
    INSUFFICIENT_BALANCE = "permit2_insufficient_balance"
    PROXY_NOT_DEPLOYED = "permit2_proxy_not_deployed"
    SIMULATION_FAILED = "permit2_simulation_failed"
    INVALID_NONCE = "permit2_invalid_nonce"
    INVALID_AMOUNT = "permit2_invalid_amount"
    INVALID_DESTINATION = "permit2_invalid_destination"
    INVALID_OWNER = "permit2_invalid_owner"
    PAYMENT_TOO_EARLY = "permit2_payment_too_early"
    SETTLEMENT_EXCEEDS_AMOUNT = "invalid_upto_evm_payload_settlement_exceeds_amount"
    AMOUNT_EXCEEDS_PERMITTED = "upto_amount_exceeds_permitted"
    UNAUTHORIZED_FACILITATOR = "upto_unauthorized_facilitator"
    TRANSACTION_STATE = "invalid_transaction_state"
    TRANSACTION_FAILED = "invalid_exact_evm_transaction_failed"

    TOKEN_PERMIT_FORMAT = "invalid_eip2612_extension_format"  # noqa: S105 - a reason code
    TOKEN_PERMIT_FROM = "eip2612_from_mismatch"  # noqa: S105 - a reason code
    TOKEN_PERMIT_ASSET = "eip2612_asset_mismatch"  # noqa: S105 - a reason code
    TOKEN_PERMIT_SPENDER = "eip2612_spender_not_permit2"  # noqa: S105 - a reason code
    TOKEN_PERMIT_EXPIRED = "eip2612_deadline_expired"  # noqa: S105 - a reason code
    TOKEN_PERMIT_AMOUNT_MISMATCH = "permit2_2612_amount_mismatch"  # noqa: S105 - a reason code

    APPROVAL_FORMAT = "invalid_erc20_approval_extension_format"
    APPROVAL_FROM = "erc20_approval_from_mismatch"
    APPROVAL_ASSET = "erc20_approval_asset_mismatch"
    APPROVAL_SPENDER = "erc20_approval_spender_not_permit2"
    APPROVAL_TX_TARGET = "erc20_approval_tx_wrong_target"
    APPROVAL_TX_SELECTOR = "erc20_approval_tx_wrong_selector"
    APPROVAL_TX_SPENDER = "erc20_approval_tx_wrong_spender"
    APPROVAL_TX_CALLDATA = "erc20_approval_tx_invalid_calldata"
    APPROVAL_TX_SIGNER = "erc20_approval_tx_signer_mismatch"
    APPROVAL_TX_SIGNATURE = "erc20_approval_tx_invalid_signature"
    APPROVAL_TX_PARSE = "erc20_approval_tx_parse_failed"
    APPROVAL_TX_FAILED = "erc20_approval_tx_failed"

    APPROVAL_TX_OUT_OF_BOUNDS = "erc20_approval_tx_out_of_bounds"
    """The approval is well formed, but sponsoring it would leave ``SponsorBounds``."""


class MalformedRequestError(ValueError):
    """A request cannot be understood; its sender, not the payer, made the mistake."""


class RefusedError(Exception):
    """A payment is not accepted, and why.

    Attributes:
        reason: The code, sometimes followed by ``: `` and a text, as the live facilitator does.
        message: One sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = str(reason)
        self.message = message
