"""OpenZeppelin's StandardMerkleTree over settlement leaves (protocol notes 6.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from eth_abi.abi import encode

from ...types import Bytes32, keccak256
from .data import Leaf

LEAF_TYPES: Final = ("bytes32", "bytes32", "bytes32", "bytes", "uint256")


def leaf_hash(leaf: Leaf) -> Bytes32:
    """Return the double keccak of the ABI-encoded leaf; doubled, so that no leaf is a node."""
    values = (leaf.tee_id, leaf.input_hash, leaf.output_hash, leaf.signature, leaf.timestamp)
    return Bytes32(keccak256(keccak256(encode(LEAF_TYPES, values))))


def _node_hash(a: bytes, b: bytes) -> Bytes32:
    return Bytes32(keccak256(min(a, b) + max(a, b)))


class MerkleTree:
    """A complete binary tree in an array: the root first, the leaves by hash at the end.

    Raises:
        ValueError: There are no leaves.
    """

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        if not leaves:
            raise ValueError("a Merkle tree needs at least one leaf")
        self.leaves = tuple(leaves)
        hashes = [leaf_hash(leaf) for leaf in leaves]
        by_hash = sorted(range(len(leaves)), key=hashes.__getitem__)
        size = 2 * len(leaves) - 1
        self._nodes: list[Bytes32] = [Bytes32(bytes(32))] * size
        self._position = [0] * len(leaves)
        for rank, index in enumerate(by_hash):
            self._position[index] = size - 1 - rank
            self._nodes[size - 1 - rank] = hashes[index]
        for node in range(len(leaves) - 2, -1, -1):
            self._nodes[node] = _node_hash(self._nodes[2 * node + 1], self._nodes[2 * node + 2])

    @property
    def root(self) -> Bytes32:
        """The hash that goes on chain."""
        return self._nodes[0]

    def proof(self, index: int) -> list[Bytes32]:
        """Return the siblings on the way from leaf ``index`` (in order of arrival) to the root."""
        position, path = self._position[index], list[Bytes32]()
        while position > 0:
            sibling = position + 1 if position % 2 else position - 1
            path.append(self._nodes[sibling])
            position = (position - 1) // 2
        return path

    def blob(self) -> bytes:
        """Return the tree as OpenZeppelin's ``dump`` prints it (format standard-v1)."""
        dump = {
            "format": "standard-v1",
            "leafEncoding": LEAF_TYPES,
            "tree": [str(node) for node in self._nodes],
            "values": [
                {"value": leaf.value(), "treeIndex": position}
                for leaf, position in zip(self.leaves, self._position, strict=True)
            ],
        }
        return json.dumps(dump, separators=(",", ":")).encode()
