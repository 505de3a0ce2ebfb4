"""``docs/performance.md``: the table as it was last measured, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import report, transactions
from .processes import ROOT

PATH: Final = ROOT / "docs" / "performance.md"

_TEXT: Final = """\
# Performance

What this package costs beside the client that is published today (`opengradient` 1.1.4), measured
with `make bench`; this page is written by `python -m benchmarks --write`.

{table}

Medians of {repetitions} repetitions, with the smallest and the largest in brackets; the ratio says
how many times better ours is.

{notes}

## Raw transactions

{transactions}

Medians of {transaction_repetitions} repetitions, beside web3.py and eth_account as somebody would
use them who knows them well (`benchmarks/sending_web3.py`, `benchmarks/signing.py`).

{transaction_notes}

Measured on {machine}.

## Money under faults

Measured by hand with the commands named, on the machine below, and kept here as text.

- **The journal** (`python -m benchmarks.journal`): a call at concurrency 50 costs 0.117 ms more
  with it (0.933 ms beside 0.816 ms; on another day 0.070 ms; to reach 0.05 ms: **missed**, on a
  machine about 1.8 times slower than the one the target was set for). Begin and end of a call with
  a key, durable, four processes on one SQLite file: p99 37.3 ms, longest 96.7 ms (to reach p99
  50 ms: met); a plain WAL program beside it: p99 2.3 ms, longest 1,032 ms.
- **The matrix** (`python -m tests.matrix`): 2,024 runs, every fault at first payment and session,
  plain and streamed, in process and killed with SIGKILL. No rule on money was broken; see the
  limits in [testing.md](testing.md).
- **Fuzzing** (`scripts/fuzz`): 52 minutes, 4.34 million inputs over challenge, header, event
  stream, answer and node documents; what it found is fixed, and the corpus runs with every test.

## Evidence

Measured by hand with the commands named, on the machine below, and kept here as text; medians.

- **The ledger** (`python -m benchmarks.ledger --receipts 20000`), durable: a call at concurrency
  50 costs 0.168 to 0.199 ms more with its receipt recorded (to reach 0.1 ms: **missed**). In bulk
  5,380 receipts/s (to reach 10,000: **missed**); a plain sqlite3 program that writes the same rows
  without chain, seal or commitment 5,949/s in the same run (6,861 and 6,759 on another day). 6.2 KB
  of file per receipt, 4.9 KB plain.
- **A call with and without a ledger**: this version and the one before the ledger, in turns, each
  pinned to a core, processor time of a call, medians of three runs: 2.49 ms beside 1.63 ms one by
  one, 1.27 ms beside 1.15 ms at concurrency 50. Runs of one version differ by up to 40 %. The cost
  is visible one by one, where few receipts share a transaction: **missed**.
- **A query** that returns 100 whole receipts: 3 to 28 ms by filter (to reach 20 ms: **missed** by
  model and by build), nearly all of it making receipts of entries; the SQL alone takes 0.6 to 6 ms,
  over 1,000,000 receipts, too. One receipt by its id 0.92 ms.
- **Bundles, offline, one core** (`python -m benchmarks.bundles`): 3,515/s with answer and registry
  record, 1,885/s with the payer's signature and a Merkle path too (to reach 5,000/s: **missed**),
  250/s with an attestation document each, nothing cached (to reach 500/s: **missed**: one ECDSA
  signature on P-384 takes 0.80 ms here, and three of them are in a document: 415/s at most).

## How it is measured

- **The node** (`benchmarks/node.py`) runs in a process of its own and does next to nothing: a raw
  `asyncio.Protocol` over TLS with keep-alive. It speaks the protocol of the network: challenge,
  payment, session, signed answers. It verifies no payment and signs each answer once, so that
  what is measured is the client. The chain is py-evm in a third process, where both clients find
  the node in the same registry; nothing is specially configured in either of them.
- **Both clients** run in processes of their own, in turns, each in its own environment. What they
  are put through (`benchmarks/workload.py`) is the same code for both.
- **Ours verifies** every answer: request hash, output hash, RSA-PSS signature, node identity and
  freshness. The published client verifies none of it. Ours also writes every authorization to disk
  before it is sent.
- *Import* is timed inside the process; memory is the most it has had resident until then. The
  published client reads the registry when it is constructed, ours at its first call. So the time
  for 50 calls on a fresh client includes, for ours alone, the registry and the wallet; the request
  beyond the paid route reads the node's price. *A process* is from its start to its end, imports
  included, on a chain and a node that are already up.
- *One Permit2 payment* is from a parsed challenge to the value of the `PAYMENT-SIGNATURE` header.
- **Raw transactions**: each sender runs in a process of its own against an anvil of its own, in
  turns. Receipts come to web3.py the fastest way it has: the last one is awaited, then all are read
  in batches. *CPU* is that of the sender's process, the signatures included. Whether all of them
  are there is asked of the chain itself. Networks that misbehave and processes that
  are killed are the matter of `python -m benchmarks.transactions --stress`.
- *Base install* is a fresh environment with only the built wheel and what it depends on, without
  pip, in megabytes of 10^6 bytes.
"""


def write(
    lines: Sequence[tuple[str, ...]],
    raw: Sequence[tuple[str, ...]],
    notes: Sequence[str],
    repetitions: int,
) -> None:
    """Write the page: the table beside the published client, and ``raw``, that of transactions."""
    text = _TEXT.format(
        table=report.as_markdown(lines),
        transactions=report.as_markdown(raw, transactions.HEADINGS),
        transaction_repetitions=transactions.REPETITIONS,
        transaction_notes="\n\n".join(transactions.footnotes()),
        repetitions=repetitions,
        notes="\n\n".join(notes),
        machine=report.machine(),
    )
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(text, encoding="utf-8")
