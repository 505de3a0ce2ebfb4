"""Pay for an AI answer in OPG and prove who gave it: the Python SDK for the OpenGradient network.

    async with AsyncOpenGradient(budget="1 OPG") as client:
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        print(reply.text, reply.receipt.cost, reply.receipt.assurance.name)

Names load when they are first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._core.lazy import lazy_names

if TYPE_CHECKING:
    from .chain import Chain
    from .client import AsyncOpenGradient, ChatStream, OpenGradient, ParsedReply, Reply, Trust
    from .devnet import Devnet
    from .errors import OpenGradientError, Spent
    from .ledger import DataProof, DataState, DataStatus, Receipt
    from .ledger.bundle import BundleReport, verify_bundle
    from .payments import Budget, NotChargedProof, PaymentRules, PaymentState, PaymentStatus
    from .profiles import Profile
    from .signers import DigestSigner, LocalSigner, RemoteSigner, Signer
    from .types import Address, Amount, Bytes32, TxReceipt, TxRequest
    from .verification import Assurance, Check, CheckStatus, Evidence
    from .verification.policy import (
        Above,
        AllOf,
        AnyOf,
        AtLeast,
        Covered,
        PcrIn,
        Policy,
        Sample,
        Settled,
        UnsafeNoVerification,
    )

__version__ = "0.1.0"

__getattr__ = lazy_names(
    __name__,
    {
        "chain": "Chain",
        "client.async_client": "AsyncOpenGradient",
        "client.stream": "ChatStream",
        "client.sync_client": "OpenGradient",
        "client.reply": "ParsedReply Reply",
        "client.config": "Trust",
        "devnet": "Devnet",
        "errors": "OpenGradientError Spent",
        "ledger": "DataProof DataState DataStatus Receipt",
        "ledger.bundle": "BundleReport verify_bundle",
        "payments": "Budget NotChargedProof PaymentRules PaymentState PaymentStatus",
        "profiles": "Profile",
        "signers": "DigestSigner LocalSigner RemoteSigner Signer",
        "types": "Address Amount Bytes32 TxReceipt TxRequest",
        "verification.evidence": "Assurance Check CheckStatus Evidence",
        "verification.policy": "Above AllOf AnyOf AtLeast Covered PcrIn Policy Sample "
        "Settled UnsafeNoVerification",
    },
)

__all__ = [
    "Above",
    "Address",
    "AllOf",
    "Amount",
    "AnyOf",
    "Assurance",
    "AsyncOpenGradient",
    "AtLeast",
    "Budget",
    "BundleReport",
    "Bytes32",
    "Chain",
    "ChatStream",
    "Check",
    "CheckStatus",
    "Covered",
    "DataProof",
    "DataState",
    "DataStatus",
    "Devnet",
    "DigestSigner",
    "Evidence",
    "LocalSigner",
    "NotChargedProof",
    "OpenGradient",
    "OpenGradientError",
    "ParsedReply",
    "PaymentRules",
    "PaymentState",
    "PaymentStatus",
    "PcrIn",
    "Policy",
    "Profile",
    "Receipt",
    "RemoteSigner",
    "Reply",
    "Sample",
    "Settled",
    "Signer",
    "Spent",
    "Trust",
    "TxReceipt",
    "TxRequest",
    "UnsafeNoVerification",
    "verify_bundle",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
