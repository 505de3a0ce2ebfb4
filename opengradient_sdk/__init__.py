"""Pay for an AI answer in OPG and prove who gave it: the Python SDK for the OpenGradient network.

    async with AsyncOpenGradient(budget="1 OPG") as client:
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        print(reply.text, reply.receipt.cost, reply.receipt.assurance.name)

Names load when they are first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import AsyncOpenGradient, ChatStream, OpenGradient, ParsedReply, Reply, Trust
    from .devnet import Devnet
    from .errors import OpenGradientError, Spent
    from .ledger import DataState, Receipt
    from .payments import PaymentRules, PaymentState, PaymentStatus
    from .profiles import Profile
    from .signers import LocalSigner, Signer
    from .types import Address, Amount, Bytes32, TxRequest
    from .verification import Assurance, Check, CheckStatus, Evidence

__version__ = "0.1.0"

_HOME = {
    "AsyncOpenGradient": "client",
    "ChatStream": "client",
    "OpenGradient": "client",
    "ParsedReply": "client",
    "Reply": "client",
    "Trust": "client",
    "Devnet": "devnet",
    "OpenGradientError": "errors",
    "Spent": "errors",
    "DataState": "ledger",
    "Receipt": "ledger",
    "PaymentRules": "payments",
    "PaymentState": "payments",
    "PaymentStatus": "payments",
    "Profile": "profiles",
    "LocalSigner": "signers",
    "Signer": "signers",
    "Address": "types",
    "Amount": "types",
    "Bytes32": "types",
    "TxRequest": "types",
    "Assurance": "verification",
    "Check": "verification",
    "CheckStatus": "verification",
    "Evidence": "verification",
}

__all__ = [
    "Address",
    "Amount",
    "Assurance",
    "AsyncOpenGradient",
    "Bytes32",
    "ChatStream",
    "Check",
    "CheckStatus",
    "DataState",
    "Devnet",
    "Evidence",
    "LocalSigner",
    "OpenGradient",
    "OpenGradientError",
    "ParsedReply",
    "PaymentRules",
    "PaymentState",
    "PaymentStatus",
    "Profile",
    "Receipt",
    "Reply",
    "Signer",
    "Spent",
    "Trust",
    "TxRequest",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
