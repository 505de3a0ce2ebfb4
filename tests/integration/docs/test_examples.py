"""Every program under ``examples`` runs and says what a newcomer was promised."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .pages import ROOT

EXAMPLES = ROOT / "examples"

ANSWER = r"\[devnet/echo\] .+"
OPG = r"0\.\d+ OPG"
HASH = r"0x[0-9a-f]{64}"

PROMISED = {
    "quickstart": [
        rf"answer +{ANSWER}",
        rf"cost +{OPG} \(computed\)",
        rf"node +{HASH} at https://127\.0\.0\.1:\d+",
        r"assurance +REGISTERED",
        r"not proven +finish_reason, .+",
        rf"settled by +{HASH}",
        rf"charged +{OPG}",
    ],
    "streaming": [
        rf"provisional: {ANSWER}",
        rf"verified: +{ANSWER}",
        r"assurance: +REGISTERED",
    ],
    "tools": [
        r'the model calls get_weather\(\{"city": ".+"\}\): 18 degrees in .+',
        rf"the model says +{ANSWER}18 degrees in .+",
    ],
    "structured_output": [
        r"object +Invoice\(customer='.+', total=[\d.]+, paid=(True|False)\)",
        r'text +\{"customer": .+\}',
        r"assurance +REGISTERED",
    ],
    "sync_script": [
        r"wallet +0x[0-9a-fA-F]{40} has 1000 OPG",
        rf"estimate +{OPG}, at most {OPG}",
        rf"answer +{ANSWER}",
        rf"cost +{OPG}",
        r"pieces +\[devnet/echo\]  \| You  \| said: .+",
        r"assurance +REGISTERED",
    ],
    "lower_layer": [
        r"allowance +1 OPG for Permit2",
        r"asked +upto, up to 0\.1 OPG to 0x[0-9a-fA-F]{40}",
        r"authorized +nonce \d+, good until \d+",
        r"status +open: .+",
        r"cancelled +cancelled: .+",
        r"transfer +nonce 2, at most 0\.0\d+ ETH for gas",
        r"mined +in block \d+ for 0\.0\d+ ETH",
        r"the friend +has 1002\.5 OPG",
    ],
    "raw_transaction": [
        r"prepared +nonce 0, gas 21000, type DYNAMIC_FEE",
        r"at most +0\.25\d+ ETH, fee and value",
        rf"signed +{HASH}",
        r"mined +in block \d+ for 0\.0\d+ ETH",
        r"refused +0x[0-9a-fA-F]{40} has 99\.\d+ ETH, but the transaction .+ 1000000000000 ETH",
        r"spent +no",
    ],
    "many_transactions": [
        r"paid +40 people in 40 transactions",
        r"again +40 receipts, the same ones: True",
        r"each has +0\.001 ETH",
    ],
    "remote_signer": [
        r"wallet +DigestSigner\(0x[0-9a-fA-F]{40}\)",
        rf"answer +{ANSWER}",
        rf"sent +1 OPG in {HASH}",
    ],
    "many_calls": [
        r"answers +50, all REGISTERED",
        rf"computed +{OPG}",
        r"signatures +1, for at most 0\.1 OPG",
        rf"charged +{OPG} for the whole session",
    ],
    "check_an_answer": [
        rf"answer +{ANSWER}",
        r"proven +SIGNED, \d+ members",
        r"unproven +\d+ members",
        r"changed +the bundle is not verified \(request_hash\): the node signed another request",
        r"left out +the request is left out; its hash is signed",
    ],
    "after_a_rollback": [
        rf"version devnet-2, build {HASH}: 1 call, {OPG}; downstream 1 call, {OPG}; "
        r"2 authorizations",
        r"● in question .+",
        rf"└─ ● rcpt_\w+ · .+ · gpt-5 · {OPG} · tag price",
        rf"   └─ ○ rcpt_\w+ · .+ · gpt-5 · {OPG} · tag order",
        r"then +REGISTERED",
        r"since +version 'devnet-2' was revoked at block \d+, .+, after the answer; .+",
    ],
    "check_bundle": [],
    "check_attestation": [],
}


@dataclass(frozen=True)
class Run:
    """How a program ended and what it left."""

    code: int
    printed: str
    complaints: str
    left: list[str]


@pytest.fixture(scope="module")
async def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every example, run in a process and a home of its own; two at once, to save time."""
    places = asyncio.Semaphore(2)

    async def run_in_turn(name: str) -> Run:
        async with places:
            home = tmp_path_factory.mktemp(name)
            return await run(name, home)

    ended = await asyncio.gather(*(run_in_turn(name) for name in PROMISED))
    return dict(zip(PROMISED, ended, strict=True))


async def run(name: str, home: Path) -> Run:
    # nothing of this process's configuration may be needed, and nothing may be written elsewhere
    bare = {k: v for k, v in os.environ.items() if not k.startswith("OG_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        str(EXAMPLES / f"{name}.py"),
        cwd=home,
        env={**bare, "HOME": str(home), "TMPDIR": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Run(process.returncode, printed.decode(), complaints.decode(), os.listdir(home))


def test_every_example_has_its_promise():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == PROMISED.keys()


@pytest.mark.parametrize("name", PROMISED)
async def test_it_runs_and_says(name: str, runs: dict[str, Run]):
    ended = runs[name]
    assert (ended.code, ended.complaints, ended.left) == (0, "", [])
    lines = ended.printed.splitlines()
    assert len(lines) == len(PROMISED[name]), ended.printed
    for line, promised in zip(lines, PROMISED[name], strict=True):
        assert re.fullmatch(promised, line), line


@pytest.mark.parametrize(("name", "computed"), [("quickstart", "cost"), ("many_calls", "computed")])
async def test_what_was_charged_is_what_was_computed(
    name: str, computed: str, runs: dict[str, Run]
):
    amounts = dict(re.findall(r"^(\w+) +(\S+ OPG)", runs[name].printed, re.MULTILINE))
    assert amounts["charged"] == amounts[computed]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_short(path: Path):
    code = [line for line in path.read_text().splitlines() if line.strip()]
    # a whole verifier on its own takes more than one screen
    assert len(code) <= {"check_bundle": 150, "check_attestation": 110}.get(path.stem, 40)
