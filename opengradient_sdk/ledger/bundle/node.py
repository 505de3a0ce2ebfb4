"""The node: what its attestation document proves about key, certificate and build."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from ...errors import AttestationError
from ...types import Bytes32
from ...verification import (
    AWS_NITRO_ROOT_PEM,
    AttestationFacts,
    Check,
    Evidence,
    verify_attestation,
)
from .answer import canonical_base64
from .findings import Findings
from .form import AttestationPart, Bundle, RegistryPart

_DOCUMENT: Final = "the attestation document"
_RECORD: Final = "registry.record"


class BundleTrust(Protocol):
    """What the checker of a bundle takes for granted; a client's ``Trust`` is one."""

    @property
    def measurements(self) -> Collection[Bytes32]:
        """The PCR hashes of the accepted builds."""
        ...

    @property
    def attestation_root(self) -> bytes | None:
        """The certificate that documents must chain to; ``None`` is the AWS Nitro root."""
        ...


_OTHER_ROOT: Final = (
    "it was altered, or it is from a network with a root of its own, such as a Devnet: name that "
    "root if you trust it, with Trust(attestation_root=…) (net.trust has it) or --root"
)


def check_node(bundle: Bundle, trust: BundleTrust | None, findings: Findings) -> None:
    """Check the attestation document; what the registry said is left for a look at the chain.

    Raises:
        AttestationError: The document does not prove what the bundle says.
    """
    _leave_registry_open(bundle.registry, findings)
    attested = bundle.attestation
    if attested is None:
        findings.left_open("document", "no attestation document is part of the bundle")
        findings.left_open("attestation", "no attestation document is part of the bundle")
        return
    if bundle.registry is None:
        reason = "the key and certificate it should bind are left out"
        findings.left_open("document", reason)
        findings.left_open("attestation", reason)
        return
    facts = _prove(attested, bundle.registry, trust, findings)
    _compare_build(facts, bundle, trust, findings)


def _leave_registry_open(registry: RegistryPart | None, findings: Findings) -> None:
    if registry is None:
        findings.left_open("registry", "the registry's record is left out")
        return
    said_by = ", ".join(registry.rpcs) or "nobody"
    findings.left_open(
        "registry",
        f"claimed as of block {registry.block_number}, by {said_by}; the chain can repeat it",
        f"registry {registry.registry} on chain {registry.chain_id}",
    )


def _prove(
    attested: AttestationPart,
    registry: RegistryPart,
    trust: BundleTrust | None,
    findings: Findings,
) -> AttestationFacts:
    record = registry.record
    root = trust.attestation_root if trust is not None else None
    try:
        return verify_attestation(
            canonical_base64(attested.document),
            tls_certificate_der=bytes.fromhex(record.tls_certificate[2:]),
            signing_key_der=bytes.fromhex(record.public_key[2:]),
            now=attested.verified_at,
            root=root or AWS_NITRO_ROOT_PEM,
            nonce=bytes.fromhex(attested.nonce[2:]),
        )
    except AttestationError as error:
        finding = _finding(error)
        if root is None and finding.startswith("certificate_chain"):
            raise findings.refusal(
                AttestationError, "document", finding, _DOCUMENT, hint=_OTHER_ROOT
            ) from None
        raise findings.refusal(AttestationError, "document", finding, _DOCUMENT) from None
    except ValueError as error:
        raise findings.refusal(
            AttestationError, "document", f"format: not base64: {error}", _DOCUMENT
        ) from None


def _compare_build(
    facts: AttestationFacts, bundle: Bundle, trust: BundleTrust | None, findings: Findings
) -> None:
    assert bundle.registry is not None
    listed = bundle.registry.record.pcr_hash
    if str(facts.pcr_hash) != listed:
        reason = f"pcr: it attests build {facts.pcr_hash}, the record says {listed}"
        raise findings.refusal(AttestationError, "document", reason, _DOCUMENT)
    findings.passed(
        "document",
        f"an enclave of build {listed} held key and certificate{_when(facts, bundle)}",
        "attestation.document",
        "attestation.nonce",
        *(f"{_RECORD}.{name}" for name in ("public_key", "tls_certificate", "pcr_hash")),
        source=_root_named(trust),
    )
    measurements = trust.measurements if trust is not None else ()
    if not measurements:
        findings.left_open("attestation", "no accepted measurements were given to compare with")
    elif facts.pcr_hash in measurements:
        findings.passed("attestation", f"build {listed} is an accepted one", source=_DOCUMENT)
    else:
        reason = f"build {listed} is not an accepted one"
        raise findings.refusal(AttestationError, "attestation", reason, _DOCUMENT)


def _when(facts: AttestationFacts, bundle: Bundle) -> str:
    """Return how the document's time lies to the answer's; both are clocks of the node's host."""
    if bundle.statement is None:
        return ""
    before = bundle.statement.timestamp - facts.timestamp_ms / 1000
    return f", {abs(before):.0f} s {'before' if before >= 0 else 'after'} the answer was signed"


def _root_named(trust: BundleTrust | None) -> str:
    own = trust is not None and trust.attestation_root is not None
    return f"{_DOCUMENT} under {'the root in trust' if own else 'the AWS Nitro root'}"


def _finding(error: AttestationError) -> str:
    evidence = error.evidence
    checks: tuple[Check, ...] = evidence.failed if isinstance(evidence, Evidence) else ()
    return checks[0].reason if checks else error.short_message
