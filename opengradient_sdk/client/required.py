"""What an answer must have before anybody sees it."""

from __future__ import annotations

from typing import Final

from ..errors import AssuranceError, Spent
from ..ledger.data_status import DataState
from ..ledger.receipt import Receipt
from ..verification.policy import CallFacts, Found
from .config import ClientConfig

_BITS: Final = 48  # of an id's random digits: more than any rate needs, and exact in a float


def facts_of(id_: str, estimate: int | None) -> CallFacts:
    """Return what a policy is told of a call; ``estimate`` is the most it should cost, in atoms.

    The draw is made of the random digits of the call's id, which are its receipt's and are not
    sent to any node: the same call is drawn alike whenever it is looked at.
    """
    digits = id_.rpartition("_")[2]
    return CallFacts(estimate, (int(digits, 16) & ((1 << _BITS) - 1)) / (1 << _BITS))


def facts_of_receipt(receipt: Receipt) -> CallFacts:
    """Return what a policy is told of a call that was made before."""
    return facts_of(receipt.id, None if receipt.cost is None else receipt.cost.atoms)


def found_in(receipt: Receipt) -> Found:
    """Return what a policy is told of an answer."""
    return Found(
        receipt.assurance,
        receipt.pcr_hash,
        receipt.uncovered,
        cost=None if receipt.cost is None else receipt.cost.atoms,
        promised=receipt.data.state is not DataState.NONE,
    )


def check_required(config: ClientConfig, receipt: Receipt, facts: CallFacts) -> None:
    """Return if a receipt proves what this client requires.

    New answers pass here, and stored ones as well: another client with the same store may have
    asked for less.

    Raises:
        AssuranceError: It proves less, or is of a build that is not accepted. The call was paid.
    """
    lacking = list(config.require.unmet(facts, found_in(receipt)))
    accepted = config.trust.measurements
    if accepted and receipt.pcr_hash not in accepted:
        lacking.append(f"trust: the answer is of build {receipt.pcr_hash}, which is not accepted")
    if lacking:
        raise AssuranceError(
            "; ".join(lacking),
            hint="Require less, accept that build (trust=Trust(measurements=…)), or use another "
            "node.",
            evidence=receipt.evidence,
            receipt_id=receipt.id,
            spent=Spent.YES,
            amount=receipt.cost,
        )
