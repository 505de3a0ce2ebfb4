"""The contracts of the network as typed Python: values and dataclasses in and out.

Constructing one does no I/O. Reads are ``async`` and take ``block`` (``"latest"``, a number or a
block hash); writes return a `TxRequest` and send nothing.

A contract's module is loaded when its name is first used: the paid path needs two of them, and
does not wait for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .base import Caller, Contract
    from .eip3009 import Eip3009, TransferAuthorization
    from .erc20 import Approval, Erc20, Transfer
    from .inference_verifier import InferenceStatement, InferenceVerifier
    from .multicall import Multicall3, Read
    from .permit2 import Permit2
    from .proxies import Eip2612Permit, ExactProxy, SettleCall, UptoProxy
    from .settlement_relay import BatchSettlement, IndividualSettlement, SettlementRelay
    from .tee_info import LLM_PROXY, OhttpConfig, TeeInfo
    from .tee_registry import ApprovedPcr, HeartbeatReceived, PcrKey, TeeRegistry
    from .tee_verifier import TEE_VERIFIER, TeeVerifier

__all__ = [
    "LLM_PROXY",
    "TEE_VERIFIER",
    "Approval",
    "ApprovedPcr",
    "BatchSettlement",
    "Caller",
    "Contract",
    "Eip2612Permit",
    "Eip3009",
    "Erc20",
    "ExactProxy",
    "HeartbeatReceived",
    "IndividualSettlement",
    "InferenceStatement",
    "InferenceVerifier",
    "Multicall3",
    "OhttpConfig",
    "PcrKey",
    "Permit2",
    "Read",
    "SettleCall",
    "SettlementRelay",
    "TeeInfo",
    "TeeRegistry",
    "TeeVerifier",
    "Transfer",
    "TransferAuthorization",
    "UptoProxy",
]

__getattr__ = lazy_names(
    __name__,
    {
        "base": "Caller Contract",
        "eip3009": "Eip3009 TransferAuthorization",
        "erc20": "Approval Erc20 Transfer",
        "inference_verifier": "InferenceStatement InferenceVerifier",
        "multicall": "Multicall3 Read",
        "permit2": "Permit2",
        "proxies": "Eip2612Permit ExactProxy SettleCall UptoProxy",
        "settlement_relay": "BatchSettlement IndividualSettlement SettlementRelay",
        "tee_info": "LLM_PROXY OhttpConfig TeeInfo",
        "tee_registry": "ApprovedPcr HeartbeatReceived PcrKey TeeRegistry",
        "tee_verifier": "TEE_VERIFIER TeeVerifier",
    },
)
