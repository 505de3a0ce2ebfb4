"""What an answer must have before anybody sees it."""

from __future__ import annotations

from ..errors import AssuranceError, Spent
from ..ledger.receipt import Receipt
from .config import ClientConfig


def check_required(config: ClientConfig, receipt: Receipt) -> None:
    """Return if a receipt proves what this client requires.

    New answers pass here, and stored ones as well: another client with the same store may have
    asked for less.

    Raises:
        AssuranceError: It proves less, or is of a build that is not accepted. The call was paid.
    """
    accepted = config.trust.measurements
    if receipt.assurance < config.require:
        what = f"the answer is {receipt.assurance.name}, required is {config.require.name}"
        hint = "Lower require=, or use a node that proves more."
    elif accepted and receipt.pcr_hash not in accepted:
        what = f"the answer is of build {receipt.pcr_hash}, which is not accepted"
        hint = "If it is meant: trust=Trust(measurements=…) with that build."
    else:
        return
    raise AssuranceError(
        what,
        hint=hint,
        evidence=receipt.evidence,
        receipt_id=receipt.id,
        spent=Spent.YES,
        amount=receipt.cost,
    )
