"""The verification of a bundle, offline."""

from __future__ import annotations

from collections.abc import Mapping

from .answer import check_answer
from .findings import Findings
from .node import BundleTrust, check_node
from .paying import check_payment
from .reading import read_bundle
from .report import BundleReport
from .settling import check_data

__all__ = ["BundleTrust", "verify_bundle"]


def verify_bundle(
    bundle: Mapping[str, object] | str | bytes, trust: BundleTrust | None = None
) -> BundleReport:
    """Return what a bundle proves by itself; a bundle with a failed check is refused.

    Pure: no network, no clock, no files. **Money**: free. **Trust**: in no issuer. Proven offline
    are the node's signature over question and answer, the attestation document, the payer's
    signature and the Merkle path. That the registry listed the node, that money moved and that a
    root is on chain are claims here, not checked and named so; ``verify_online`` asks the chains.

    Args:
        bundle: The document, as text or as parsed.
        trust: The accepted measurements and the attestation root. Without measurements a document
            is still verified, and ``attestation`` is left open.

    Raises:
        VerificationError: It is no bundle (check ``schema``), or contradicts itself.
        RequestHashError: The node signed another request.
        OutputHashError: The node signed another output.
        SignatureError: The node's signature, or the payer's, is of something else.
        AttestationError: The attestation document does not prove what the bundle says.
        SettlementError: Payment or settlement cannot be what is claimed.
    """
    findings = Findings()
    value, document = read_bundle(bundle, findings)
    check_answer(document, findings)
    check_node(document, trust, findings)
    check_payment(document, findings)
    check_data(document, findings)
    bound = ("registry.record.enabled", *findings.bound)
    return BundleReport(document.id, findings.evidence, value, document, bound)
