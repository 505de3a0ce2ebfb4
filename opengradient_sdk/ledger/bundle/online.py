"""What the chains can add to a bundle: its claims, repeated against endpoints of one's own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ..._core.tasks import together
from ...chain.rpc import Rpc
from ...errors import ChainError, SettlementError, VerificationError
from ...profiles import Profile
from ...types import Bytes32
from ...verification import Check, CheckStatus, Evidence
from .finality import Reach, final_number, finality
from .node import BundleTrust
from .repeating import ContradictionError, Seen, hashes_settled, payment_moved, registry_listed
from .report import BundleReport
from .verifying import verify_bundle

_MOVED: Final = ("settled", "final", "cancelled", "not charged")
_RECORD: Final = "chain_id registry block_number block_hash block_timestamp record"
_PAID: Final = "amount transaction chain_id block_number block_hash proof"
_SETTLED: Final = (
    "mode chain_id relay transaction log_index block_number block_hash block_timestamp blob_id "
    "merkle_root batch_size"
)
Question = Callable[[Rpc], Coroutine[Any, Any, Seen]]


@dataclass(frozen=True, slots=True)
class OnlineSources:
    """Whom a reader of bundles asks, and which contracts are the network's.

    Each ``Rpc`` is one endpoint: all of them are asked, and one that contradicts the bundle is
    enough to refuse it. Addresses and chain ids are those of ``profile``, never the bundle's.
    """

    profile: Profile
    registry: Sequence[Rpc] = field(repr=False)
    payments: Sequence[Rpc] = field(repr=False)


async def verify_online(
    bundle: Mapping[str, object] | str | bytes,
    trust: BundleTrust | None,
    sources: OnlineSources,
) -> BundleReport:
    """Return what a bundle proves by itself and by the word of the chains.

    First everything that ``verify_bundle`` does; then the registry's record, the payment and the
    settlement of the hashes are looked up where the bundle says they are. **Money**: free.
    **Trust**: in what every endpoint that answers says. What no endpoint can answer, such as the
    state of an old block, is left open, with the reason. Of each that is found, a check of its own
    (``registry_final``, ``payment_final``, ``data_final``) says whether its block is final by the
    word of the endpoints; until then it is pending, and so is a payment that is claimed not to
    have been charged.

    Raises:
        VerificationError: As ``verify_bundle``, or an endpoint shows that a claim is not so
            (``registry``; ``SettlementError``: ``payment``, ``data``).
    """
    report = verify_bundle(bundle, trust)
    for step in (_registry, _payment, _data):
        report = await step(report, sources)
    return report


async def _registry(report: BundleReport, sources: OnlineSources) -> BundleReport:
    said, statement = report.bundle.registry, report.bundle.statement
    if said is None or statement is None:
        return report
    profile = sources.profile
    ours = profile.registry.chain_id, profile.tee_registry.lower()
    if (said.chain_id, said.registry) != ours:
        reason = f"read from another registry than {profile.tee_registry}"
        raise _refusal(VerificationError, report, "registry", reason)
    tee_id = Bytes32(statement.tee_id)
    return await _asked(
        report,
        "registry",
        sources.registry,
        lambda rpc: registry_listed(rpc, said, tee_id),
        error=VerificationError,
        binds=[f"registry.{name}" for name in _RECORD.split()],
    )


async def _payment(report: BundleReport, sources: OnlineSources) -> BundleReport:
    said = report.bundle.payment
    if said.status.state not in _MOVED or not (said.status.transaction or said.status.proof):
        return report
    profile = sources.profile
    signed = said.authorization
    if (signed.network, signed.asset) != (profile.payments.caip2, profile.opg.lower()):
        reason = f"paid on another network than {profile.payments.caip2}, or in another token"
        raise _refusal(SettlementError, report, "payment", reason)
    if signed.spender not in (profile.upto_proxy.lower(), profile.exact_proxy.lower()):
        return report  # EIP-3009: the token moves itself, and no call names the nonce
    return await _asked(
        report,
        "payment",
        sources.payments,
        lambda rpc: payment_moved(rpc, said, profile),
        error=SettlementError,
        binds=[f"payment.status.{name}" for name in _PAID.split()],
        # another block in its place could hold the charge
        only_final=said.status.proof is not None,
    )


async def _data(report: BundleReport, sources: OnlineSources) -> BundleReport:
    bundle, profile = report.bundle, sources.profile
    proof, relay = bundle.data.proof, profile.settlement_relay
    if proof is None or bundle.statement is None:
        return report
    if relay is None:
        reason = "the relay's address is not known on this network"
        return _with(report, Check("data", CheckStatus.NOT_CHECKED, reason))
    if (proof.chain_id, proof.relay) != (profile.registry.chain_id, relay.lower()):
        reason = f"settled by another relay than {relay}"
        raise _refusal(SettlementError, report, "data", reason)
    return await _asked(
        report,
        "data",
        sources.registry,
        lambda rpc: hashes_settled(rpc, proof, bundle.statement),
        error=SettlementError,
        binds=[f"data.proof.{name}" for name in _SETTLED.split()],
    )


async def _asked(
    report: BundleReport,
    name: str,
    rpcs: Sequence[Rpc],
    question: Question,
    *,
    error: type[VerificationError],
    binds: Sequence[str],
    only_final: bool = False,
) -> BundleReport:
    """Return the report with what every endpoint says to ``question``, and how final that is."""
    answers = await together(*(_word(rpc, question) for rpc in rpcs))
    words = list(zip(map(_named, rpcs), answers, strict=True))
    for endpoint, word in words:
        if isinstance(word, ContradictionError):
            raise _refusal(error, report, name, f"{endpoint}: {word}")
    silent = [
        f"{endpoint} could not say ({word.short_message})"
        for endpoint, word in words
        if isinstance(word, ChainError)
    ]
    shown = [(endpoint, word) for endpoint, word in words if isinstance(word, _Shown)]
    if not shown:
        reason = "; ".join(silent) or "no endpoint was given"
        return _with(report, Check(name, CheckStatus.NOT_CHECKED, reason))
    how_final = finality(name, [Reach(each, word.seen.block, word.final) for each, word in shown])
    reason = "; ".join([f"seen in {shown[0][1].seen.where}", *silent])
    source = ", ".join(endpoint for endpoint, _ in shown)
    if only_final and how_final.status is not CheckStatus.PASSED:
        waiting = f"{reason}; {how_final.reason}"
        return _with(_with(report, Check(name, CheckStatus.PENDING, waiting, source)), how_final)
    found = _with(report, Check(name, CheckStatus.PASSED, reason, source), *binds)
    return _with(found, how_final)


class _Shown(NamedTuple):
    """What one endpoint shows, and up to which block its chain was final before it was asked."""

    seen: Seen
    final: int | None


async def _word(rpc: Rpc, question: Question) -> _Shown | ContradictionError | ChainError:
    try:
        final = await final_number(rpc)
        return _Shown(await question(rpc), final)
    except (ContradictionError, ChainError) as error:
        return error


def _with(report: BundleReport, check: Check, *binds: str) -> BundleReport:
    return replace(report, evidence=report.evidence.with_(check), bound=(*report.bound, *binds))


def _refusal(
    error: type[VerificationError], report: BundleReport, name: str, reason: str
) -> VerificationError:
    check = Check(name, CheckStatus.FAILED, reason, "the chain")
    others = [each for each in report.evidence.checks if each.name != name]
    return error(
        f"the chain does not confirm the bundle ({name}): {reason}",
        hint="do not rely on it; ask other endpoints if this one may be wrong",
        evidence=Evidence((*others, check)),
    )


def _named(rpc: Rpc) -> str:
    return ", ".join(rpc.names)
