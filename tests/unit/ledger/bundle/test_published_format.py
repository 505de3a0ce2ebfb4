"""The published format is that of the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.ledger.bundle.form import json_schema

from .corruptions import ALL
from .maker import a_bundle, vectors
from .standalone import EXAMPLES, checker

DOCS = Path(__file__).parents[4] / "docs"


def test_the_schema_is_the_one_that_is_published() -> None:
    """``python -m opengradient_sdk.ledger.bundle.form > docs/bundle.schema.json`` prints it."""
    assert json.loads((DOCS / "bundle.schema.json").read_text()) == json_schema()


def test_bundles_are_what_the_published_schema_says() -> None:
    fits, schema = checker().fits, checker().SCHEMA
    assert fits(a_bundle(attested=True), schema)
    assert not fits(a_bundle() | {"note": 1}, schema)


def test_every_member_is_explained() -> None:
    text = (DOCS / "bundle-format.md").read_text()

    def names(rule: dict[str, Any]) -> set[str]:
        found = set(rule.get("properties", ()))
        for part in rule.get("$defs", {}).values():
            found |= names(part)
        return found

    assert [name for name in sorted(names(json_schema())) if f"`{name}`" not in text] == []


def test_every_check_is_explained() -> None:
    text = (DOCS / "bundle-format.md").read_text()
    assert [
        check for check in sorted({each.check for each in ALL}) if f"`{check}`" not in text
    ] == []


def test_the_verifier_without_the_sdk_is_150_lines() -> None:
    lines = (EXAMPLES / "check_bundle.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 150


def test_the_verifier_without_the_sdk_runs_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(a_bundle()))
    ran = _run(path)
    assert ran.returncode == 0, ran.stderr
    assert "signature" in ran.stdout
    path.write_text(json.dumps(a_bundle() | {"id": 7}))
    ran = _run(path)
    assert ran.returncode != 0
    assert "REFUSED: schema" in ran.stderr


def _run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "check_bundle.py"), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_verifying_loads_neither_web3_nor_eth_account() -> None:
    program = (
        "import sys, opengradient_sdk.ledger.bundle as b; b.verify_bundle; b.make_bundle;"
        "print([n for n in ('web3', 'eth_account', 'aiohttp', 'tenacity') if n in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


CASES = [case for case in vectors("permit2_upto.json")["cases"] if "typed_data" in case]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_digest_of_a_payment_is_that_of_other_software(case: dict[str, Any]) -> None:
    from opengradient_sdk.ledger.bundle.form import AuthorizationPart
    from opengradient_sdk.ledger.bundle.paying import permit2_digest

    data = case["typed_data"]
    message, witness = data["message"], data["message"]["witness"]
    part = AuthorizationPart(
        scheme="upto",
        network=f"eip155:{data['domain']['chainId']}",
        asset=message["permitted"]["token"].lower(),
        owner=case["address"].lower(),
        spender=message["spender"].lower(),
        recipient=witness["to"].lower(),
        facilitator=witness["facilitator"].lower(),
        max_amount=str(message["permitted"]["amount"]),
        nonce=str(message["nonce"]),
        valid_after=witness["validAfter"],
        deadline=message["deadline"],
    )
    assert "0x" + permit2_digest(part).hex() == data["digest"]


@pytest.mark.parametrize(
    "case", vectors("merkle_batch.json")["cases"], ids=lambda case: case["name"]
)
def test_leaves_and_paths_are_those_of_other_software(case: dict[str, Any]) -> None:
    import base64

    from opengradient_sdk.ledger.bundle.form import StatementPart
    from opengradient_sdk.ledger.bundle.settling import leaf_of, root_of

    for leaf in case["leaves"]:
        tee_id, asked, answered, signature, timestamp = leaf["value"]
        statement = StatementPart(
            tee_id=tee_id,
            request_hash=asked,
            output_hash=answered,
            timestamp=int(timestamp),
            signature=base64.b64encode(bytes.fromhex(signature[2:])).decode(),
        )
        hashed = leaf_of(statement)
        path = [bytes.fromhex(node[2:]) for node in leaf["proof"]]
        assert "0x" + root_of(hashed, path).hex() == case["root"]
