"""What nodes mean: every wording of every node that something is done about.

JSON-RPC fixes no codes for what goes wrong with a transaction, so words are all there is. All of
the matching on node texts in this package is in this file, and the tests hold each row to where it
comes from. What no row knows is ``OTHER``, which proves nothing: a row too many under one of the
refusals would give up a transaction that is on its way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import Final


class FaultKind(Enum):
    """What a node's error means, as far as anything is done about it."""

    ALREADY_KNOWN = auto()
    NONCE_TOO_LOW = auto()
    NONCE_TOO_HIGH = auto()
    FEE_TOO_LOW = auto()
    INSUFFICIENT_FUNDS = auto()
    REVERTED = auto()
    REFUSED = auto()
    """The transaction as it is will never be taken: gas, fees, type, size, signature or chain."""
    POOL_FULL = auto()
    """There is no room for the transaction now, in the pool or for its account."""
    BATCH_TOO_LARGE = auto()
    TOO_MANY_LOGS = auto()
    RATE_LIMITED = auto()
    BEHIND = auto()
    METHOD_NOT_FOUND = auto()
    OTHER = auto()


def _any_of(wordings: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(wordings), re.IGNORECASE)


_REFUSALS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        hint: _any_of(wordings)
        for hint, wordings in {
            "Its gas must cover what it costs at least, and fit into a block.": (
                r"intrinsic ?gas",
                r"floor data (gas|cost)",
                r"exceeds (the )?(max )?(block|transaction|block's) gas limit",
                r"gas limit (\d+ )?(exceeds|is greater than)",
                r"gas ?limit ?(exceeded|reached)",
                r"gas limit (is )?too high",
                r"gas uint64 overflow|GasUintOverflow|Int256Overflow|transaction cost overflow",
                r"invalid gas limit",
            ),
            "This chain does not take this type of transaction: leave out what makes it one.": (
                r"tx type \S+ not supported|InvalidTxType",
                r"transaction type (is )?not supported",
                r"(invalid|unsupported|unknown) transaction type",
                r"supporting this transaction type is not activated",
                r"not supported by the current hardfork",
                r"lists are not supported before",
                r"NotSupportedTxType",
            ),
            "The tip must not be higher than the fee cap, and both must be possible numbers.": (
                r"priority fee per gas (is )?(higher than|exceeds) max fee",
                r"`max_priority_fee_per_gas` greater than",
                r"InvalidMaxPriorityFeePerGas",
                r"fee per gas higher than 2\^",
            ),
            "The endpoint forwards no fee above its own cap: lower gas or max_fee_per_gas.": (
                r"exceeds the configured cap",
                r"transaction fee cap exceeded",
            ),
            "It is too large: send less data.": (
                r"oversized data|input data too large|RLPTooLong|MaxTxSizeExceeded",
                r"tx too large|transaction (is )?too (large|big)",
                r"max initcode size exceeded|initcode too large|exceeds max_init_code_size",
            ),
            "It is signed for another chain, or its signature is not its sender's.": (
                r"invalid sender|failed to recover sender|FailedToResolveSender",
                r"invalid (transaction )?signature|InvalidTxSignature|invalid transaction v, r, s",
                r"invalid chain ?id|wrong chain ?id|InvalidTxChainId|signed for another chain",
                r"chain ?id (is required|not supported)|only replay-protected",
            ),
            "Its authorizations are not as EIP-7702 wants them.": (
                r"(empty|no items in) authorization list|empty authorizations",
                r"at least one authorization|NoAuthorizations",
                r"cannot have the form of a create transaction|must not be a create transaction",
            ),
            "Its sender may not send it: it has code, or its nonces are used up.": (
                r"sender (is )?not an eoa|SenderIsContract|nonce has max value",
                r"sender account not authorized|forbidden sender address",
            ),
            "The node cannot read it: build and sign it again.": (
                r"failed to decode (signed )?transaction|typed transaction too short",
                r"(^|: )rlp: |invalid RLP data|empty (raw )?transaction data|negative value",
            ),
        }.items()
    }
)

# Read in this order: "replacement fee too low" must not be taken for a nonce that is too low, and
# Cosmos EVMs and sequencers wrap every refusal in several layers of other words.
_WORDINGS: Final[tuple[tuple[FaultKind, re.Pattern[str]], ...]] = tuple(
    (kind, _any_of(wordings))
    for kind, wordings in (
        (
            # first: what comes behind these words is a contract's, which may say anything
            FaultKind.REVERTED,
            (r"execution reverted|reverted with|vm execution error|transaction reverted",),
        ),
        (
            FaultKind.ALREADY_KNOWN,
            (
                r"already known|AlreadyKnown|known transaction|already imported",
                r"existing txn? with same hash|OwnNonceAlreadyUsed",
                r"already (exists )?in (the )?((mem)?pool|cache)",
            ),
        ),
        (
            FaultKind.BATCH_TOO_LARGE,
            (
                r"batch (is )?too (large|long|big)|batch size|batch limit",
                r"batch(es| requests?)? (is|are) not (supported|allowed|enabled)",
            ),
        ),
        (
            FaultKind.POOL_FULL,
            (
                r"(pool|queue) (is )?full|too many transactions in the queue",
                r"account limit exceeded|in-flight transaction limit reached",
                r"identified as a spammer|^spammer$|due to pool size constraints",
                r"tries to replace pending|(address|authority) already reserved",
                r"conflicts with existing transaction|lower nonce exists",
                r"PendingTxsOfConflictingType|DelegatorHasPendingTx",
            ),
        ),
        (
            FaultKind.FEE_TOO_LOW,
            (
                r"underpriced|fee too low|FeeTooLow|gas ?price too low|ReplacementNotAllowed",
                r"could not replace existing|insufficient gas price to replace",
                r"fee per gas less than block base fee|does not exceed base fee",
                r"below (the )?(configured |chain )?minimum|below current base fee",
                r"insufficient fee|less than .*minimum|gas price supplied is too low",
                r"transaction gas price .*is too low",
            ),
        ),
        (
            FaultKind.NONCE_TOO_LOW,
            (
                r"nonce (is )?too low|OldNonce|nonce (has )?already (been )?used",
                r"nonce is lower than account nonce",
            ),
        ),
        (
            FaultKind.NONCE_TOO_HIGH,
            (
                r"nonce (is )?too (high|distant|far in future)|NonceGap|nonce gap|gapped[- ]nonce",
                r"nonce is higher than account nonce|NonceTooFarInFuture",
                r"NotCurrentNonceForDelegation",
            ),
        ),
        (
            FaultKind.INSUFFICIENT_FUNDS,
            (
                r"insufficient (funds|balance)|InsufficientFunds|not enough funds|funds for gas",
                r"does(n't| not) have enough funds|upfront cost exceeds account balance",
                r"sender balance < tx cost|overdraws from account|would cause overdraft",
            ),
        ),
        *((FaultKind.REFUSED, (pattern.pattern,)) for pattern in _REFUSALS.values()),
        (
            # before the rate limits: several nodes use one code for both
            FaultKind.TOO_MANY_LOGS,
            (
                r"query returned more than|too many (blocks|logs|results)",
                r"(block )?range (is )?(too (large|wide|big)|exceeds|limit)",
                r"exceed(s|ed)? (the )?max(imum)? (block )?range|logs matched by query exceeds",
                r"response size (exceeded|is larger)",
            ),
        ),
        (
            FaultKind.RATE_LIMITED,
            (
                r"rate.?limit|too many requests|request (rate|count) exceeded|throttled",
                r"request limit reached|credits limited to|^limit exceeded$|over capacity",
                r"exceeded .*(quota|capacity|compute|RPS limit)",
            ),
        ),
        (
            FaultKind.BEHIND,
            (
                r"header not found|unknown block|block not found|beyond current head",
                r"missing trie node|state (is )?not available|state .*is not available",
                r"world state unavailable|sync is still in progress|node is syncing",
            ),
        ),
        (
            FaultKind.METHOD_NOT_FOUND,
            (
                r"method not (found|enabled)|the method .*(does not exist|is not supported)",
                r"unsupported method|rpc endpoint not implemented",
            ),
        ),
    )
)
_COSMOS_NONCE: Final = re.compile(
    r"invalid nonce; got (\d+), (?:should be )?expected (\d+)", re.IGNORECASE
)
_CODES: Final[Mapping[int, FaultKind]] = MappingProxyType(
    {
        -32601: FaultKind.METHOD_NOT_FOUND,
        -32604: FaultKind.METHOD_NOT_FOUND,
        429: FaultKind.RATE_LIMITED,
        -32005: FaultKind.RATE_LIMITED,
        -32007: FaultKind.RATE_LIMITED,
        -32012: FaultKind.RATE_LIMITED,
        -32016: FaultKind.RATE_LIMITED,
        -32029: FaultKind.RATE_LIMITED,
    }
)
_REVERTED_CODES: Final = (3, -32015)  # geth and those who follow it; parity and nethermind


@lru_cache(maxsize=1024)
def kind_of(code: int | None, message: str) -> FaultKind:
    """Return what an error means. Words go before codes, which nodes use as they like."""
    if code in _REVERTED_CODES:
        return FaultKind.REVERTED
    if cosmos := _COSMOS_NONCE.search(message):
        low = int(cosmos[1]) < int(cosmos[2])
        return FaultKind.NONCE_TOO_LOW if low else FaultKind.NONCE_TOO_HIGH
    for kind, pattern in _WORDINGS:
        if pattern.search(message):
            return kind
    return FaultKind.OTHER if code is None else _CODES.get(code, FaultKind.OTHER)


def refusal_hint(message: str) -> str:
    """Return what to do about a transaction that was ``REFUSED``, as far as the words say it."""
    return next((hint for hint, pattern in _REFUSALS.items() if pattern.search(message)), "")
