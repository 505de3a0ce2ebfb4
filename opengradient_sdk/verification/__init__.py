"""Verification: pure functions over what was sent, what arrived, and whose key should have signed.

No I/O and no neighbours: keys, addresses and the time are arguments. Success returns evidence or
facts, failure raises; there is no boolean to forget. ``cryptography`` is loaded by the first
signature, not by importing this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from ._aws_root import AWS_NITRO_ROOT_PEM
    from ._confidence import Conclusion, Confidence
    from .answer import MAX_AGE, MAX_AHEAD, verify_answer
    from .attestation import (
        AttestationFacts,
        attestation_from_base64,
        pcr_hash_of,
        user_data_of,
        verify_attestation,
    )
    from .canonical import (
        Mode,
        RequestHash,
        canonical_chat_request,
        canonical_completion_request,
        request_hashes,
        uncovered_request,
    )
    from .evidence import Assurance, Check, CheckStatus, Evidence
    from .fields import SignedFields
    from .merkle import (
        BatchDump,
        BatchLeaf,
        batch_leaf_of,
        leaf_hash,
        node_hash,
        read_dump,
        verify_proof,
    )
    from .output import (
        ChatOutput,
        CompletionText,
        ToolCall,
        read_chat_answer,
        read_completion_answer,
        tool_calls_text,
    )
    from .policy import (
        Above,
        AllOf,
        AnyOf,
        AtLeast,
        CallFacts,
        Choice,
        Covered,
        Found,
        PcrIn,
        Plan,
        Policy,
        Required,
        Sample,
        Settled,
        SettlementChoice,
        UnsafeNoVerification,
        policy_of,
    )
    from .settlement_statistics import PromiseState, SettlementLog, SettlementStatistics
    from .signature import answer_statement, heartbeat_statement, tee_id_of, verify_rsa_pss
    from .statistics import (
        CheckTally,
        Failure,
        NodeTally,
        VerificationLog,
        VerificationStatistics,
    )
    from .stream import StreamedAnswer
    from .wire import wire_chat_request, wire_completion_request

__all__ = [
    "AWS_NITRO_ROOT_PEM",
    "MAX_AGE",
    "MAX_AHEAD",
    "Above",
    "AllOf",
    "AnyOf",
    "Assurance",
    "AtLeast",
    "AttestationFacts",
    "BatchDump",
    "BatchLeaf",
    "CallFacts",
    "ChatOutput",
    "Check",
    "CheckStatus",
    "CheckTally",
    "Choice",
    "CompletionText",
    "Conclusion",
    "Confidence",
    "Covered",
    "Evidence",
    "Failure",
    "Found",
    "Mode",
    "NodeTally",
    "PcrIn",
    "Plan",
    "Policy",
    "PromiseState",
    "RequestHash",
    "Required",
    "Sample",
    "Settled",
    "SettlementChoice",
    "SettlementLog",
    "SettlementStatistics",
    "SignedFields",
    "StreamedAnswer",
    "ToolCall",
    "UnsafeNoVerification",
    "VerificationLog",
    "VerificationStatistics",
    "answer_statement",
    "attestation_from_base64",
    "batch_leaf_of",
    "canonical_chat_request",
    "canonical_completion_request",
    "heartbeat_statement",
    "leaf_hash",
    "node_hash",
    "pcr_hash_of",
    "policy_of",
    "read_chat_answer",
    "read_completion_answer",
    "read_dump",
    "request_hashes",
    "tee_id_of",
    "tool_calls_text",
    "uncovered_request",
    "user_data_of",
    "verify_answer",
    "verify_attestation",
    "verify_proof",
    "verify_rsa_pss",
    "wire_chat_request",
    "wire_completion_request",
]

__getattr__ = lazy_names(
    __name__,
    {
        "_aws_root": "AWS_NITRO_ROOT_PEM",
        "evidence": "Assurance Check CheckStatus Evidence",
        "attestation": "AttestationFacts attestation_from_base64 "
        "pcr_hash_of user_data_of verify_attestation",
        "output": "ChatOutput CompletionText ToolCall "
        "read_chat_answer read_completion_answer tool_calls_text",
        "answer": "MAX_AGE MAX_AHEAD verify_answer",
        "canonical": "Mode RequestHash canonical_chat_request "
        "canonical_completion_request request_hashes uncovered_request",
        "fields": "SignedFields",
        "policy": "Above AllOf AnyOf AtLeast CallFacts Choice Covered Found PcrIn Plan Policy "
        "Required Sample Settled SettlementChoice UnsafeNoVerification policy_of",
        "merkle": "BatchDump BatchLeaf batch_leaf_of leaf_hash node_hash read_dump verify_proof",
        "_confidence": "Conclusion Confidence",
        "settlement_statistics": "PromiseState SettlementLog SettlementStatistics",
        "statistics": "CheckTally Failure NodeTally VerificationLog VerificationStatistics",
        "stream": "StreamedAnswer",
        "signature": "answer_statement heartbeat_statement tee_id_of verify_rsa_pss",
        "wire": "wire_chat_request wire_completion_request",
    },
)
