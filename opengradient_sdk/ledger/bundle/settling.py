"""The settlement of the hashes: does the Merkle path lead from this statement to that root?

The tree is OpenZeppelin's ``StandardMerkleTree`` (the protocol notes, section 6.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...errors import SettlementError
from ...types import Bytes32
from ...verification.merkle import leaf_hash, node_hash
from .answer import signature_bytes
from .findings import Findings
from .form import Bundle, DataPart, DataProofPart, StatementPart

_ON_CHAIN: Final = ("settled", "final")


def check_data(bundle: Bundle, findings: Findings) -> None:
    """Check the path from the statement to the root; whether the root is on chain is left open.

    Raises:
        SettlementError: The path leads elsewhere, or what is said contradicts itself.
    """
    said = bundle.data
    _check_claims(said, findings)
    proof = said.proof
    if proof is None:
        findings.left_open("merkle", "no proof of settlement is part of the bundle")
    elif bundle.statement is None:
        findings.left_open("merkle", "the statement that was settled is left out")
    elif proof.mode == "individual":
        findings.left_open("merkle", "settled on its own: there is no tree")
    else:
        _check_path(proof, bundle.statement, findings)
    findings.left_open("data", _claimed(said))


def leaf_of(statement: StatementPart) -> Bytes32:
    """Return the hash of the leaf that a batch holds for a statement.

    Raises:
        ValueError: The statement's signature is not base64.
    """
    return leaf_hash(
        bytes.fromhex(statement.tee_id[2:]),
        bytes.fromhex(statement.request_hash[2:]),
        bytes.fromhex(statement.output_hash[2:]),
        signature_bytes(statement),
        statement.timestamp,
    )


def root_of(leaf: bytes, path: Iterable[bytes]) -> bytes:
    """Return the root that ``path``, the siblings from the leaf upwards, leads to."""
    node = leaf
    for sibling in path:
        node = node_hash(node, sibling)
    return node


def _check_claims(said: DataPart, findings: Findings) -> None:
    proof = said.proof
    if (said.state in _ON_CHAIN) != (proof is not None):
        raise findings.refusal(SettlementError, "data", f"{said.state} {_with(proof)} proof")
    if said.mode == "private" and said.state != "none":
        raise findings.refusal(SettlementError, "data", f"{said.state}, though private")
    if proof is None:
        return
    if proof.mode != said.mode:
        raise findings.refusal(
            SettlementError, "data", f"settled as {proof.mode}, asked as {said.mode}"
        )
    of_a_batch = (proof.merkle_root, proof.batch_size, proof.leaf_hash)
    if proof.mode == "individual" and (of_a_batch != (None, None, None) or proof.proof):
        raise findings.refusal(SettlementError, "merkle", "an individual settlement has no tree")
    if proof.mode == "batch" and None in of_a_batch:
        raise findings.refusal(SettlementError, "merkle", "a batch has a root, a size and a leaf")


def _check_path(proof: DataProofPart, statement: StatementPart, findings: Findings) -> None:
    assert proof.merkle_root is not None
    assert proof.batch_size is not None
    leaf = leaf_of(statement)
    if proof.leaf_hash != "0x" + leaf.hex():
        raise findings.refusal(SettlementError, "merkle", "the leaf is not that of the statement")
    if len(proof.proof) not in _depths(proof.batch_size):
        reason = f"{len(proof.proof)} steps do not fit {proof.batch_size} leaves"
        raise findings.refusal(SettlementError, "merkle", reason)
    root = root_of(leaf, (bytes.fromhex(sibling[2:]) for sibling in proof.proof))
    if proof.merkle_root != "0x" + root.hex():
        raise findings.refusal(SettlementError, "merkle", "the path leads to another root")
    findings.passed(
        "merkle",
        f"the path leads from the statement to the root {proof.merkle_root}",
        *(f"data.proof.{name}" for name in ("merkle_root", "leaf_hash", "proof", "mode")),
        "data.mode",
        "statement",
    )


def _depths(leaves: int) -> tuple[int, ...]:
    """Return how deep the leaves of a complete binary tree lie: the last two levels."""
    return (leaves.bit_length() - 1, (leaves - 1).bit_length()) if leaves else ()


def _claimed(said: DataPart) -> str:
    if said.proof is None:
        return f"{said.state}: a claim"
    seen_by = ", ".join(said.proof.rpcs) or "nobody"
    return (
        f"{said.state} in block {said.proof.block_number} of chain {said.proof.chain_id}, "
        f"claimed by {seen_by}; the chain can repeat it"
    )


def _with(proof: DataProofPart | None) -> str:
    return "with a" if proof is not None else "without a"
