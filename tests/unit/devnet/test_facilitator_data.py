"""Settlement headers, Merkle batches and blobs, against the recorded ones."""

import base64
import json
from pathlib import Path

import pytest

from opengradient_sdk.devnet.facilitator.blobs import BlobStore, blob_id_of
from opengradient_sdk.devnet.facilitator.data import (
    BatchSettlement,
    IndividualSettlement,
    PrivateSettlement,
    SettlementHeaderError,
    lenient_base64,
    parse_settlement,
)
from opengradient_sdk.devnet.facilitator.merkle import MerkleTree, leaf_hash
from opengradient_sdk.types import keccak256

VECTORS = Path(__file__).parents[2] / "assets" / "vectors"
MERKLE = json.loads((VECTORS / "merkle_batch.json").read_text())


def header(data: object) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


def leaves_of(case):
    settlements = [parse_settlement("batch", header(d)) for d in case["settlement_data"]]
    return [settlement.leaf for settlement in settlements]


@pytest.mark.parametrize("case", MERKLE["cases"], ids=lambda case: case["name"])
def test_builds_the_recorded_tree(case):
    """Leaves, root, blob and proofs are those of OpenZeppelin's library."""
    tree = MerkleTree(leaves_of(case))
    assert [leaf.value() for leaf in tree.leaves] == case["values"]
    assert str(tree.root) == case["root"]
    assert tree.blob().decode() == case["walrus_blob_body"]
    for expected in case["leaves"]:
        index = expected["index"]
        assert str(leaf_hash(tree.leaves[index])) == expected["leaf_hash"]
        assert [str(node) for node in tree.proof(index)] == expected["proof"]


@pytest.mark.parametrize("case", MERKLE["cases"], ids=lambda case: case["name"])
def test_every_proof_leads_to_the_root(case):
    """A proof folds to the root, and another leaf's proof does not."""
    tree = MerkleTree(leaves_of(case))
    for index, leaf in enumerate(tree.leaves):
        node: bytes = leaf_hash(leaf)
        for sibling in tree.proof(index):
            node = keccak256(min(node, sibling) + max(node, sibling))
        assert node == tree.root


def test_there_is_no_empty_tree():
    """A batch of nothing is refused."""
    with pytest.raises(ValueError, match="at least one leaf"):
        MerkleTree([])


@pytest.mark.parametrize("case", MERKLE["header_parsing"], ids=lambda case: case["name"])
def test_reads_headers_as_recorded(case):
    """Every recorded header is read, or refused with the same words and status."""
    kind, data = case.get("x_settlement_type"), case.get("x_settlement_data")
    if case.get("result") is None:
        with pytest.raises(SettlementHeaderError) as refused:
            parse_settlement(kind, data)
        assert str(refused.value) == case.get("error", "Missing x-settlement-type header")
        assert refused.value.status == case.get("http_status", 400)
        return
    settlement = parse_settlement(kind, data)
    if case["result"]["settlementType"] == "private":
        assert isinstance(settlement, PrivateSettlement)
        return
    expected = case["result"]["data"]
    assert isinstance(settlement, IndividualSettlement)
    assert str(settlement.leaf.tee_id) == expected["teeId"]
    assert settlement.leaf.input_hash.hex() == expected["inputHash"]
    assert settlement.leaf.output_hash.hex() == expected["outputHash"]
    assert settlement.signature_text == expected["teeSignature"]
    assert str(settlement.leaf.timestamp) == expected["timestamp"]
    assert settlement.eth_address.lower() == expected["ethAddress"].lower()
    assert json.loads(settlement.blob())["input"] == expected["input"]
    assert json.loads(settlement.blob())["output"] == expected["output"]


@pytest.mark.parametrize("kind", ["batch", "BATCH", " b-a_tch ", "Ba tch"])
def test_the_spelling_of_a_type_does_not_matter(kind):
    """Spaces, dashes, underscores and case are dropped."""
    data = header(MERKLE["cases"][0]["settlement_data"][0])
    assert isinstance(parse_settlement(kind, data), BatchSettlement)


@pytest.mark.parametrize("kind", ["individual", "inidvidual"])
def test_the_usual_misspelling_is_understood(kind):
    """``inidvidual`` is what old nodes send."""
    case = next(c for c in MERKLE["header_parsing"] if c["name"] == "individual-ok")
    assert isinstance(parse_settlement(kind, case["x_settlement_data"]), IndividualSettlement)


@pytest.mark.parametrize("value", [True, 1.5, -1, "0x", "1e9", str(1 << 256), [1]])
def test_a_timestamp_is_a_whole_uint256(value):
    """Numbers that are no uint256 are refused, not rounded."""
    data = {**MERKLE["cases"][0]["settlement_data"][0], "tee_timestamp": value}
    with pytest.raises(SettlementHeaderError, match="tee_timestamp"):
        parse_settlement("batch", header(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0x", b"\xd3"), ("", b""), ("-_8=", b"\xfb\xff"), ("QUI\n", b"AB"), ("QUJD=garbage", b"ABC")],
)
def test_base64_is_read_leniently(text, expected):
    """As the live facilitator's runtime does; the placeholder signature depends on it."""
    assert lenient_base64(text) == expected


def test_the_blob_store_keeps_what_it_is_given():
    """A blob is found under its 43-character id; the second time it is already certified."""
    store = BlobStore()
    first, again = store.put(b"blob", epochs=10), store.put(b"blob", epochs=3)
    blob_id = blob_id_of(b"blob")
    assert len(blob_id) == 43
    assert first["newlyCreated"]["blobObject"]["blobId"] == blob_id
    assert again == {"alreadyCertified": {"blobId": blob_id, "endEpoch": 10}}
    assert store.get(blob_id) == b"blob"
    assert store.get("A" * 43) is None
