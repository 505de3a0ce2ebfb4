"""Merkle batches: the library's own trees, and everything that is not quite one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.devnet.facilitator.data import Leaf
from opengradient_sdk.devnet.facilitator.merkle import MerkleTree
from opengradient_sdk.errors import SettlementError
from opengradient_sdk.types import Bytes32, hex_to_bytes, keccak256
from opengradient_sdk.verification import (
    BatchLeaf,
    SignedFields,
    batch_leaf_of,
    leaf_hash,
    node_hash,
    read_dump,
    verify_proof,
)
from opengradient_sdk.verification.merkle import LEAF_TYPES, MAX_BLOB_BYTES, MAX_LEAVES

from .conftest import VECTORS, load

MERKLE: Any = load(VECTORS / "merkle_batch.json")
CASES: list[Any] = MERKLE["cases"]
NAMES = [case["name"] for case in CASES]
Bend = Callable[[Any], object]


def blob_of(name: str) -> bytes:
    return next(case["walrus_blob_body"] for case in CASES if case["name"] == name).encode()


def bent(bend: Bend, name: str = "five") -> bytes:
    """A blob of the vectors, changed."""
    dump = json.loads(blob_of(name))
    bend(dump)
    return json.dumps(dump).encode()


def leaf_of(value: list[str]) -> BatchLeaf:
    tee_id, input_hash, output_hash, signature, timestamp = value
    hashes = [Bytes32(text) for text in (tee_id, input_hash, output_hash)]
    return BatchLeaf(*hashes, hex_to_bytes(signature), int(timestamp))


def a_leaf(number: int, signature: bytes = b"\x07" * 256) -> BatchLeaf:
    words = [Bytes32(keccak256(f"{name} {number}".encode())) for name in ("tee", "in", "out")]
    return BatchLeaf(*words, signature, 1_784_200_000 + number)


def tree_of(leaves: list[BatchLeaf]) -> MerkleTree:
    return MerkleTree(
        [
            Leaf(leaf.tee_id, leaf.input_hash, leaf.output_hash, leaf.signature, leaf.timestamp)
            for leaf in leaves
        ]
    )


@pytest.mark.parametrize("case", CASES, ids=NAMES)
class TestVectors:
    """Trees that OpenZeppelin's own library made."""

    def test_leaf_hashes(self, case: Any) -> None:
        for expected in case["leaves"]:
            leaf = leaf_of(expected["value"])
            assert str(leaf.hash) == expected["leaf_hash"]
            encoded = hex_to_bytes(expected["abi_encoded"])
            assert leaf.hash == keccak256(keccak256(encoded))
            assert list(leaf.value()) == expected["value"]

    def test_proofs(self, case: Any) -> None:
        root = Bytes32(case["root"])
        for expected in case["leaves"]:
            proof = [Bytes32(node) for node in expected["proof"]]
            verify_proof(Bytes32(expected["leaf_hash"]), proof, root)
            with pytest.raises(SettlementError, match="not to the root"):
                verify_proof(Bytes32(keccak256(b"another leaf")), proof, root)

    def test_dumps(self, case: Any) -> None:
        dump = read_dump(case["walrus_blob_body"].encode())
        assert str(dump.root) == case["root"]
        assert len(dump.leaves) == case["batch_size"]
        assert [list(leaf.value()) for leaf in dump.leaves] == case["values"]
        assert [str(node) for node in dump.tree] == case["dump"]["tree"]
        seen: set[BatchLeaf] = set()
        for expected in case["leaves"]:
            leaf = leaf_of(expected["value"])
            found = dump.find(leaf)
            assert found == dump.find(leaf.hash)
            assert found is not None
            index, proof = found
            verify_proof(leaf.hash, proof, dump.root)
            if leaf not in seen:  # of two that are equal, the first is found
                assert index == expected["index"]
                assert [str(node) for node in proof] == expected["proof"]
            seen.add(leaf)

    def test_statements(self, case: Any) -> None:
        for sent, value in zip(case["settlement_data"], case["values"], strict=True):
            if not str(sent["tee_timestamp"]).isdigit() or len(sent["tee_signature"]) < 4:
                continue  # the facilitator also reads what no node signs
            fields = SignedFields(
                tee_id=sent["tee_id"].removeprefix("0x"),
                request_hash=sent["input_hash"].removeprefix("0x"),
                output_hash=sent["output_hash"].removeprefix("0x"),
                timestamp=int(sent["tee_timestamp"]),
                signature=sent["tee_signature"],
            )
            assert batch_leaf_of(fields) == leaf_of(value)


class TestLeaves:
    """What a leaf is made of."""

    def test_every_value_is_part_of_the_hash(self) -> None:
        leaf = a_leaf(1)
        changed = [
            replace(leaf, tee_id=leaf.input_hash),
            replace(leaf, input_hash=leaf.tee_id),
            replace(leaf, output_hash=leaf.tee_id),
            replace(leaf, signature=leaf.signature[:-1]),
            replace(leaf, signature=leaf.signature + b"\0"),
            replace(leaf, timestamp=leaf.timestamp + 1),
        ]
        assert len({one.hash for one in [leaf, *changed]}) == 7

    def test_a_signature_is_not_shown(self) -> None:
        assert "\\x07" not in repr(a_leaf(1))

    @pytest.mark.parametrize("timestamp", [-1, 2**256])
    def test_a_time_that_is_no_word(self, timestamp: int) -> None:
        with pytest.raises(ValueError, match="256 bits"):
            leaf_hash(bytes(32), bytes(32), bytes(32), b"", timestamp)

    def test_a_hash_that_is_no_word(self) -> None:
        with pytest.raises(ValueError, match="32 bytes are needed"):
            leaf_hash(bytes(31), bytes(32), bytes(32), b"", 0)

    @pytest.mark.parametrize(
        "change",
        [
            {"tee_id": "ab"},
            {"request_hash": "not hex"},
            {"output_hash": ""},
            {"signature": "not base64!"},
            {"signature": "YQ"},
        ],
        ids=str,
    )
    def test_a_statement_that_is_none(self, change: dict[str, str]) -> None:
        words = "ab" * 32
        good = SignedFields(words, words, words, 1, base64.b64encode(b"signature").decode())
        assert batch_leaf_of(good).signature == b"signature"
        with pytest.raises(SettlementError, match="can stand in no batch"):
            batch_leaf_of(replace(good, **change))

    def test_the_order_of_two_nodes_is_free(self) -> None:
        a, b = keccak256(b"a"), keccak256(b"b")
        assert node_hash(a, b) == node_hash(b, a) == keccak256(min(a, b) + max(a, b))

    def test_a_path_that_no_tree_has(self) -> None:
        with pytest.raises(SettlementError, match="65 steps"):
            verify_proof(Bytes32(bytes(32)), [Bytes32(bytes(32))] * 65, Bytes32(bytes(32)))

    def test_a_leaf_is_not_a_node(self) -> None:
        dump = read_dump(blob_of("two"))
        with pytest.raises(SettlementError):
            verify_proof(dump.tree[1], [], dump.root)
        assert dump.find(dump.root) is None


def put(*path: str | int, value: object) -> Bend:
    """Set one member of a dump, however deep."""

    def bend(dump: Any) -> None:
        for step in path[:-1]:
            dump = dump[step]
        dump[path[-1]] = value

    return bend


def swap_leaf_places(dump: Any) -> None:
    first, second = dump["values"][:2]
    first["treeIndex"], second["treeIndex"] = second["treeIndex"], first["treeIndex"]


def drop_a_leaf(dump: Any) -> None:
    del dump["values"][0]


def swap_siblings(dump: Any) -> None:
    """Lay the tree out in another order, which changes no path."""
    tree = dump["tree"]
    last = len(tree) - 1
    tree[last], tree[last - 1] = tree[last - 1], tree[last]
    for value in dump["values"]:
        index = value["treeIndex"]
        value["treeIndex"] = {last: last - 1, last - 1: last}.get(index, index)


_HASH = "0x" + "ab" * 32
_REFUSED: dict[str, tuple[Bend, str]] = {
    "format": (put("format", value="standard-v2"), "its format"),
    "no encoding": (put("leafEncoding", value=None), "not encoded"),
    "another encoding": (put("leafEncoding", value=["bytes32"] * 5), "not encoded"),
    "no values": (put("values", value=[]), "no values"),
    "values that are no list": (put("values", value={}), "no values"),
    "a value that is no object": (put("values", 1, value=7), "not an object"),
    "a leaf too few": (drop_a_leaf, "nodes of 4 leaves"),
    "no tree": (put("tree", value=None), "nodes of 5 leaves"),
    "a root": (put("tree", 0, value=_HASH), "node 0"),
    "an inner node": (put("tree", 2, value=_HASH), "node 0"),
    "a leaf's node": (put("tree", 8, value=_HASH), "node 3"),
    "a node that is no hash": (put("tree", 3, value="0xab"), "not 32 bytes"),
    "a node with spaces": (put("tree", 3, value="0x" + "ab " * 32), "not 32 bytes"),
    "a node that is a number": (put("tree", 3, value=3), "not 32 bytes"),
    "a tee id": (put("values", 0, "value", 0, value=_HASH), "leaf 0 has another hash"),
    "an input hash": (put("values", 4, "value", 1, value=_HASH), "leaf 4 has another hash"),
    "an output hash": (put("values", 1, "value", 2, value=_HASH), "leaf 1 has another hash"),
    "a signature": (put("values", 1, "value", 3, value="0x00"), "leaf 1 has another hash"),
    "a time": (put("values", 1, "value", 4, value="1"), "leaf 1 has another hash"),
    "a signature without 0x": (put("values", 1, "value", 3, value="00"), "not 0x-hex"),
    "half a byte": (put("values", 1, "value", 3, value="0x0"), "not 0x-hex"),
    "no signature": (put("values", 1, "value", 3, value=None), "not 0x-hex"),
    "a time as a number": (put("values", 1, "value", 4, value=1_784_200_001), "decimal"),
    "a negative time": (put("values", 1, "value", 4, value="-1"), "decimal"),
    "other digits": (put("values", 1, "value", 4, value="١"), "decimal"),
    "a time of 257 bits": (put("values", 1, "value", 4, value=str(2**256)), "256 bits"),
    "four values": (put("values", 1, "value", value=[_HASH] * 4), "has not 5 values"),
    "no value": (put("values", 1, "value", value=None), "has not 5 values"),
    "two leaves swapped": (swap_leaf_places, "another hash"),
    "one place twice": (put("values", 1, "treeIndex", value=8), "two leaves at one place"),
    "an inner place": (put("values", 1, "treeIndex", value=3), "where no leaf can be"),
    "a place outside": (put("values", 1, "treeIndex", value=9), "where no leaf can be"),
    "a place before": (put("values", 1, "treeIndex", value=-1), "where no leaf can be"),
    "a place that is true": (put("values", 1, "treeIndex", value=True), "where no leaf can be"),
    "no place": (put("values", 1, "treeIndex", value=None), "where no leaf can be"),
}


class TestDumps:
    """Blobs that a store hands out: it may be anybody's."""

    @pytest.mark.parametrize(("bend", "why"), _REFUSED.values(), ids=_REFUSED)
    def test_what_is_wrong_is_named(self, bend: Bend, why: str) -> None:
        with pytest.raises(SettlementError, match=why) as caught:
            read_dump(bent(bend))
        assert "not that of a batch" in caught.value.short_message
        assert caught.value.hint

    @pytest.mark.parametrize(
        "blob",
        [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format":"standard-v1"}'],
        ids=lambda blob: repr(blob[:12]),
    )
    def test_what_is_no_dump(self, blob: bytes) -> None:
        with pytest.raises(SettlementError, match="not that of a batch"):
            read_dump(blob)

    def test_what_is_too_large_is_not_parsed(self) -> None:
        with pytest.raises(SettlementError, match=f"more than {MAX_BLOB_BYTES}"):
            read_dump(b" " * (MAX_BLOB_BYTES + 1))

    def test_too_many_leaves_are_not_hashed(self) -> None:
        dump = {
            "format": "standard-v1",
            "leafEncoding": LEAF_TYPES,
            "tree": [],
            "values": [{}] * (MAX_LEAVES + 1),
        }
        with pytest.raises(SettlementError, match="65537 leaves"):
            read_dump(json.dumps(dump).encode())

    def test_another_layout_of_the_same_tree_proves_the_same(self) -> None:
        honest, other = read_dump(blob_of("five")), read_dump(bent(swap_siblings))
        assert other.root == honest.root
        for leaf in honest.leaves:
            found = other.find(leaf)
            assert found is not None
            verify_proof(leaf.hash, found[1], honest.root)

    def test_a_leaf_that_is_not_there(self) -> None:
        assert read_dump(blob_of("five")).find(a_leaf(1)) is None

    def test_another_signature_over_the_same_statement_is_not_there(self) -> None:
        dump = read_dump(blob_of("five"))
        assert dump.find(replace(dump.leaves[0], signature=b"another")) is None

    @given(count=st.integers(1, 70), lengths=st.lists(st.integers(0, 300), min_size=1, max_size=9))
    def test_every_leaf_of_every_tree_is_found(self, count: int, lengths: list[int]) -> None:
        leaves = [a_leaf(n, b"s" * lengths[n % len(lengths)]) for n in range(count)]
        tree = tree_of(leaves)
        dump = read_dump(tree.blob())
        assert dump.root == tree.root
        assert list(dump.leaves) == leaves
        for number, leaf in enumerate(leaves):
            assert dump.find(leaf) == (number, tuple(tree.proof(number)))
