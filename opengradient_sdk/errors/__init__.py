"""Every error this package raises, in one tree.

    OpenGradientError
    ├ ConfigurationError
    ├ SignerError → SigningRejectedError
    ├ ChainError
    │  ├ RpcError → WrongChainError
    │  ├ ConfirmationTimeoutError · ReorgError
    │  └ TransactionError → NonceError, InsufficientFundsError, FeeTooLowError,
    │                       RevertedError, ReplacedError, RequestConflictError
    ├ PaymentError → PolicyRejectedError, BudgetExceededError, InsufficientOPGError,
    │                AllowanceError, InvalidChallengeError, PaymentRejectedError,
    │                IdempotencyConflictError, PaymentOutcomeUnknownError,
    │                SettlementPendingError
    ├ NetworkError → TransportError, RegistryUnavailableError, RegistryEmptyError,
    │                NoNodeAvailableError, NodeTimeoutError, NodeProtocolError,
    │                PinMismatchError, RedirectError
    ├ APIStatusError → BadRequestError, AuthenticationError, NotFoundError,
    │                  RateLimitedError, ServerError
    ├ StreamInterruptedError
    ├ ResponseFormatError
    ├ VerificationError → RequestHashError, OutputHashError, SignatureError,
    │                     AttestationError, SettlementError, AssuranceError
    ├ LedgerError
    └ HubError

Each says what happened (``short_message``), what to do (``hint``), whether trying again can help
(``retryable``) and what it may have cost (``spent``, ``amount``). Money was possibly spent by
everything whose ``spent`` is not ``Spent.NO``.
"""

from __future__ import annotations

from .answer import (
    AssuranceError,
    AttestationError,
    OutputHashError,
    RequestHashError,
    ResponseFormatError,
    SettlementError,
    SignatureError,
    StreamInterruptedError,
    VerificationError,
)
from .base import (
    ConfigurationError,
    HubError,
    LedgerError,
    OpenGradientError,
    SignerError,
    SigningRejectedError,
    Spent,
)
from .chain import (
    ChainError,
    ConfirmationTimeoutError,
    FeeTooLowError,
    InsufficientFundsError,
    NonceError,
    ReorgError,
    ReplacedError,
    RequestConflictError,
    RevertedError,
    RpcError,
    TransactionError,
    WrongChainError,
)
from .network import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NetworkError,
    NodeProtocolError,
    NodeTimeoutError,
    NoNodeAvailableError,
    NotFoundError,
    PinMismatchError,
    RateLimitedError,
    RedirectError,
    RegistryEmptyError,
    RegistryUnavailableError,
    ServerError,
    TransportError,
)
from .payment import (
    AllowanceError,
    BudgetExceededError,
    IdempotencyConflictError,
    InsufficientOPGError,
    InvalidChallengeError,
    PaymentError,
    PaymentOutcomeUnknownError,
    PaymentRejectedError,
    PolicyRejectedError,
    SettlementPendingError,
)

__all__ = [
    "APIStatusError",
    "AllowanceError",
    "AssuranceError",
    "AttestationError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ChainError",
    "ConfigurationError",
    "ConfirmationTimeoutError",
    "FeeTooLowError",
    "HubError",
    "IdempotencyConflictError",
    "InsufficientFundsError",
    "InsufficientOPGError",
    "InvalidChallengeError",
    "LedgerError",
    "NetworkError",
    "NoNodeAvailableError",
    "NodeProtocolError",
    "NodeTimeoutError",
    "NonceError",
    "NotFoundError",
    "OpenGradientError",
    "OutputHashError",
    "PaymentError",
    "PaymentOutcomeUnknownError",
    "PaymentRejectedError",
    "PinMismatchError",
    "PolicyRejectedError",
    "RateLimitedError",
    "RedirectError",
    "RegistryEmptyError",
    "RegistryUnavailableError",
    "ReorgError",
    "ReplacedError",
    "RequestConflictError",
    "RequestHashError",
    "ResponseFormatError",
    "RevertedError",
    "RpcError",
    "ServerError",
    "SettlementError",
    "SettlementPendingError",
    "SignatureError",
    "SignerError",
    "SigningRejectedError",
    "Spent",
    "StreamInterruptedError",
    "TransactionError",
    "TransportError",
    "VerificationError",
    "WrongChainError",
]
