"""Merkle batches of settled answers: leaves, paths, and the blob that lists a batch.

The tree is OpenZeppelin's StandardMerkleTree over ABI-encoded leaves (the protocol notes, section
6.2). A root on chain says nothing of its leaves, and whoever stores a blob says anything: a leaf
counts as settled only by a path that is computed again from the leaf to the root.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from .._core.json_in import parse_json
from ..errors import SettlementError
from ..types import Bytes32, bytes_to_hex, keccak256
from ._shapes import is_array, is_object
from .fields import SignedFields

LEAF_TYPES: Final = ("bytes32", "bytes32", "bytes32", "bytes", "uint256")
"""How a leaf is ABI-encoded: tee id, input hash, output hash, signature, timestamp."""

MAX_BLOB_BYTES: Final = 8 * 1024 * 1024
"""The largest blob of a batch that is looked at."""

MAX_LEAVES: Final = 65_536
"""The most leaves of a batch that are looked at; the network puts 20 into one."""

_FORMAT: Final = "standard-v1"
_LONGEST_PROOF: Final = 64
_WORD: Final = 32
_WORD_LIMIT: Final = 1 << 256
_SIGNATURE_AT: Final = (5 * _WORD).to_bytes(_WORD, "big")
_BYTES32: Final = re.compile(r"0x[0-9a-fA-F]{64}\Z")
_BYTES: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
_DECIMAL: Final = re.compile(r"[0-9]{1,78}\Z")
_ELSEWHERE: Final = "the hashes may still be settled in another batch"


@dataclass(frozen=True, slots=True)
class BatchLeaf:
    """The signed statement about one answer, as a batch holds it.

    ``timestamp`` is Unix seconds by the enclave's clock. The signature is part of the leaf byte for
    byte: a second signature over the same statement is another leaf.
    """

    tee_id: Bytes32
    input_hash: Bytes32
    output_hash: Bytes32
    signature: bytes = field(repr=False)
    timestamp: int

    @property
    def hash(self) -> Bytes32:
        """The leaf's hash, where its path begins."""
        return leaf_hash(
            self.tee_id, self.input_hash, self.output_hash, self.signature, self.timestamp
        )

    def value(self) -> tuple[str, ...]:
        """Return the leaf as a blob spells it."""
        hashes = (self.tee_id, self.input_hash, self.output_hash)
        return (*map(str, hashes), bytes_to_hex(self.signature), str(self.timestamp))


def batch_leaf_of(fields: SignedFields) -> BatchLeaf:
    """Return the leaf of a node's statement.

    Raises:
        SettlementError: An id, a hash, the time or the signature's base64 is not one.
    """
    try:
        return BatchLeaf(
            Bytes32(fields.tee_id),
            Bytes32(fields.request_hash),
            Bytes32(fields.output_hash),
            binascii.a2b_base64(fields.signature, strict_mode=True),
            _uint256(fields.timestamp),
        )
    except ValueError as error:
        raise SettlementError(
            f"the node's statement can stand in no batch: {error}",
            hint="only a statement whose signature was verified can be looked for",
        ) from error


def leaf_hash(
    tee_id: bytes, input_hash: bytes, output_hash: bytes, signature: bytes, timestamp: int
) -> Bytes32:
    """Return the double Keccak-256 of the ABI-encoded leaf.

    Doubled, so that no leaf can pass for a node of the tree.

    Raises:
        ValueError: An id or hash has not 32 bytes, or the time does not fit 256 bits.
    """
    words = (Bytes32(tee_id), Bytes32(input_hash), Bytes32(output_hash), _SIGNATURE_AT)
    time, length = (_uint256(n).to_bytes(_WORD, "big") for n in (timestamp, len(signature)))
    padding = bytes(-len(signature) % _WORD)
    return Bytes32(keccak256(keccak256(b"".join((*words, time, length, signature, padding)))))


def node_hash(a: bytes, b: bytes) -> Bytes32:
    """Return the hash of two nodes; their order is not part of it."""
    return Bytes32(keccak256(a + b if a < b else b + a))


def verify_proof(leaf: Bytes32, proof: Sequence[Bytes32], root: Bytes32) -> None:
    """Return if ``proof`` leads from the hash of a leaf to ``root``.

    **Trust**: it says that the leaf is in the tree of that root, not that the root is on chain.

    Raises:
        SettlementError: It does not, or it has more than 64 steps.
    """
    if len(proof) > _LONGEST_PROOF:
        raise SettlementError(f"a Merkle path of {len(proof)} steps; no tree is that deep")
    reached = leaf
    for sibling in proof:
        reached = node_hash(reached, sibling)
    if reached != root:
        raise SettlementError(
            f"the Merkle path leads to {reached}, not to the root {root}", hint=_ELSEWHERE
        )


@dataclass(frozen=True, slots=True)
class BatchDump:
    """A batch whose tree was computed again: every leaf, in order of arrival, and every node.

    ``positions`` has the place of each leaf's hash in ``tree``, whose first element is the root.
    """

    leaves: tuple[BatchLeaf, ...]
    positions: tuple[int, ...] = field(repr=False)
    tree: tuple[Bytes32, ...] = field(repr=False)
    _arrival: Mapping[Bytes32, int] = field(repr=False, compare=False)

    @property
    def root(self) -> Bytes32:
        """The hash that stands on chain for all of it."""
        return self.tree[0]

    def find(self, leaf: BatchLeaf | Bytes32) -> tuple[int, tuple[Bytes32, ...]] | None:
        """Return a leaf's index in order of arrival and its path to the root.

        Of a leaf that is there twice it is the first; ``None`` where there is none. The hash of the
        leaf will do: all five values go into it.
        """
        number = self._arrival.get(leaf.hash if isinstance(leaf, BatchLeaf) else leaf)
        return None if number is None else (number, self._path(self.positions[number]))

    def _path(self, position: int) -> tuple[Bytes32, ...]:
        path: list[Bytes32] = []
        while position:
            path.append(self.tree[position + 1 if position % 2 else position - 1])
            position = (position - 1) // 2
        return tuple(path)


def read_dump(blob: bytes) -> BatchDump:
    """Return the batch that a blob holds, with every hash in it computed again.

    It takes some 50 µs per leaf: a blob of thousands belongs into a thread.

    **Trust**: its root is that of its leaves. Whether that root is on chain is for the caller.

    Raises:
        SettlementError: Not the dump of a StandardMerkleTree over settled answers, more than 8 MiB
            or 65,536 leaves, or a hash in it is wrong.
    """
    if len(blob) > MAX_BLOB_BYTES:
        raise _unusable(f"it has {len(blob)} bytes, more than {MAX_BLOB_BYTES}")
    try:
        return _dump(parse_json(blob))
    except ValueError as error:
        raise _unusable(str(error)) from error


def _dump(value: object) -> BatchDump:
    if not is_object(value):
        raise ValueError("not a JSON object")
    if value.get("format") != _FORMAT:
        raise ValueError(f"its format is not {_FORMAT}")
    if not is_array(types := value.get("leafEncoding")) or tuple(types) != LEAF_TYPES:
        raise ValueError("its leaves are not encoded as settled answers are")
    entries = _entries(value.get("values"))
    tree = _tree(value.get("tree"), len(entries))
    leaves = tuple(_leaf(entry.get("value")) for entry in entries)
    positions = tuple(_position(entry.get("treeIndex"), len(entries)) for entry in entries)
    # leaves need not be sorted: how they are laid out changes nothing about what their paths prove
    if len(set(positions)) != len(positions):
        raise ValueError("two leaves at one place of its tree")
    arrival: dict[Bytes32, int] = {}
    for number, (leaf, position) in enumerate(zip(leaves, positions, strict=True)):
        hashed = leaf.hash
        if hashed != tree[position]:
            raise ValueError(f"leaf {number} has another hash than its tree says")
        arrival.setdefault(hashed, number)
    return BatchDump(leaves, positions, tree, MappingProxyType(arrival))


def _entries(values: object) -> list[Mapping[str, object]]:
    if not is_array(values) or not values:
        raise ValueError("it has no values")
    if len(values) > MAX_LEAVES:
        raise ValueError(f"it has {len(values)} leaves, more than {MAX_LEAVES}")
    entries = [entry for entry in values if is_object(entry)]
    if len(entries) != len(values):
        raise ValueError("a value that is not an object")
    return entries


def _tree(nodes: object, leaves: int) -> tuple[Bytes32, ...]:
    if not is_array(nodes) or len(nodes) != 2 * leaves - 1:
        raise ValueError(f"its tree has not the nodes of {leaves} leaves")
    tree = tuple(_bytes32(node) for node in nodes)
    for place in range(leaves - 1):
        if node_hash(tree[2 * place + 1], tree[2 * place + 2]) != tree[place]:
            raise ValueError(f"node {place} of its tree is not the hash of its children")
    return tree


def _leaf(value: object) -> BatchLeaf:
    if not is_array(value) or len(value) != len(LEAF_TYPES):
        raise ValueError(f"a leaf that has not {len(LEAF_TYPES)} values")
    tee_id, input_hash, output_hash, signature, timestamp = value
    if not isinstance(signature, str) or not _BYTES.match(signature):
        raise ValueError("a signature that is not 0x-hex")
    if not isinstance(timestamp, str) or not _DECIMAL.match(timestamp):
        raise ValueError("a time that is not a decimal text")
    return BatchLeaf(
        _bytes32(tee_id),
        _bytes32(input_hash),
        _bytes32(output_hash),
        bytes.fromhex(signature[2:]),
        _uint256(int(timestamp)),
    )


def _position(index: object, leaves: int) -> int:
    if type(index) is not int or not leaves - 1 <= index <= 2 * leaves - 2:
        raise ValueError(f"a leaf at the place {str(index)[:20]}, where no leaf can be")
    return index


def _bytes32(text: object) -> Bytes32:
    if not isinstance(text, str) or not _BYTES32.match(text):
        raise ValueError(f"not 32 bytes in 0x-hex: {str(text)[:80]!r}")
    return Bytes32(text)


def _uint256(number: int) -> int:
    if not 0 <= number < _WORD_LIMIT:
        raise ValueError(f"{number} does not fit 256 bits")
    return number


def _unusable(reason: str) -> SettlementError:
    return SettlementError(f"the blob is not that of a batch: {reason}", hint=_ELSEWHERE)
