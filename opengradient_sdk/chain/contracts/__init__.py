"""The contracts of the network as typed Python: values and dataclasses in and out.

Constructing one does no I/O. A read is a value (`Read`): awaiting it asks the chain, and many of
them are asked at once with ``chain.read_many``; each takes ``block`` (``"latest"``, a number or a
block hash). Writes return a `TxRequest` and send nothing. Events (`Event`) decode logs, and say
what ``chain.watch`` looks for.

A contract's module is loaded when its name is first used: the paid path needs two of them, and
does not wait for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .access_control import DEFAULT_ADMIN_ROLE, AccessControl, RoleGranted, RoleRevoked
    from .base import Caller, Contract, Read
    from .eip2612 import Eip712Domain, Eip2612, Eip2612Permit
    from .eip3009 import AuthorizationCanceled, AuthorizationUsed, Eip3009, TransferAuthorization
    from .erc20 import Approval, Erc20, Transfer
    from .events import Event, decode_logs
    from .inference_verifier import InferenceStatement, InferenceVerifier, RegistryUpdated
    from .multicall import MULTICALL3, CallResult, Multicall3
    from .permit2 import Permit2, Permit2Allowance, UnorderedNonceInvalidation, WitnessTransfer
    from .proxies import ExactProxy, PermitFailed, SettleCall, Settled, SettledWithPermit, UptoProxy
    from .settlement_relay import BatchSettlement, IndividualSettlement, SettlementRelay
    from .tee_events import (
        AwsCertificateUpdated,
        HeartbeatReceived,
        PcrApproved,
        PcrRevoked,
        TeeDisabled,
        TeeEnabled,
        TeeRegistered,
        TeeTypeAdded,
    )
    from .tee_info import LLM_PROXY, OhttpConfig, TeeInfo
    from .tee_registry import (
        ApprovedPcr,
        PcrKey,
        PcrMeasurements,
        TeeRegistration,
        TeeRegistry,
        TeeType,
    )
    from .tee_verifier import TEE_VERIFIER, TeeVerifier

__all__ = [
    "DEFAULT_ADMIN_ROLE",
    "LLM_PROXY",
    "MULTICALL3",
    "TEE_VERIFIER",
    "AccessControl",
    "Approval",
    "ApprovedPcr",
    "AuthorizationCanceled",
    "AuthorizationUsed",
    "AwsCertificateUpdated",
    "BatchSettlement",
    "CallResult",
    "Caller",
    "Contract",
    "Eip712Domain",
    "Eip2612",
    "Eip2612Permit",
    "Eip3009",
    "Erc20",
    "Event",
    "ExactProxy",
    "HeartbeatReceived",
    "IndividualSettlement",
    "InferenceStatement",
    "InferenceVerifier",
    "Multicall3",
    "OhttpConfig",
    "PcrApproved",
    "PcrKey",
    "PcrMeasurements",
    "PcrRevoked",
    "Permit2",
    "Permit2Allowance",
    "PermitFailed",
    "Read",
    "RegistryUpdated",
    "RoleGranted",
    "RoleRevoked",
    "SettleCall",
    "Settled",
    "SettledWithPermit",
    "SettlementRelay",
    "TeeDisabled",
    "TeeEnabled",
    "TeeInfo",
    "TeeRegistered",
    "TeeRegistration",
    "TeeRegistry",
    "TeeType",
    "TeeTypeAdded",
    "TeeVerifier",
    "Transfer",
    "TransferAuthorization",
    "UnorderedNonceInvalidation",
    "UptoProxy",
    "WitnessTransfer",
    "decode_logs",
]

__getattr__ = lazy_names(
    __name__,
    {
        "access_control": "DEFAULT_ADMIN_ROLE AccessControl RoleGranted RoleRevoked",
        "base": "Caller Contract Read",
        "eip2612": "Eip2612 Eip2612Permit Eip712Domain",
        "eip3009": "AuthorizationCanceled AuthorizationUsed Eip3009 TransferAuthorization",
        "erc20": "Approval Erc20 Transfer",
        "events": "Event decode_logs",
        "inference_verifier": "InferenceStatement InferenceVerifier RegistryUpdated",
        "multicall": "MULTICALL3 CallResult Multicall3",
        "permit2": "Permit2 Permit2Allowance UnorderedNonceInvalidation WitnessTransfer",
        "proxies": "ExactProxy PermitFailed SettleCall Settled SettledWithPermit UptoProxy",
        "settlement_relay": "BatchSettlement IndividualSettlement SettlementRelay",
        "tee_events": "AwsCertificateUpdated HeartbeatReceived PcrApproved PcrRevoked "
        "TeeDisabled TeeEnabled TeeRegistered TeeTypeAdded",
        "tee_info": "LLM_PROXY OhttpConfig TeeInfo",
        "tee_registry": "ApprovedPcr PcrKey PcrMeasurements TeeRegistration TeeRegistry TeeType",
        "tee_verifier": "TEE_VERIFIER TeeVerifier",
    },
)
