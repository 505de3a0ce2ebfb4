"""The table of raw transactions: each script is there, and the rows say what is met."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks import document, report, transactions
from benchmarks.transactions import HEADINGS, Measured


@pytest.mark.parametrize(
    "script", ["anvil", "reading", "sending", "sending_ours", "sending_web3", "signing", "stress"]
)
def test_every_part_is_importable_and_says_what_it_is(script: str) -> None:
    assert importlib.import_module(f"benchmarks.{script}").__doc__


def test_the_rate_and_how_many_times_the_gather_it_is_have_a_target_each() -> None:
    theirs = [{"execute_many": 500.0, "execute_many_times": 1.0}]
    ours = [{"execute_many": 1100.0, "execute_many_times": 2.2}]
    rate, times = Measured(theirs, ours).lines()
    assert rate[1:] == ("500", "1100", "2.2×", "≥ 1000", "met")
    assert times[1:] == ("1.00", "2.20", "2.2×", "≥ 1.8", "met")


def test_on_a_slow_machine_the_ratio_counts_and_without_it_nothing_is_met() -> None:
    theirs = [{"execute": 300.0}]
    assert Measured(theirs, [{"execute": 600.0}]).lines()[0][-1] == "ratio met"
    assert Measured(theirs, [{"execute": 500.0}]).lines()[0][-1] == "NOT MET"


def test_a_rate_without_a_target_is_better_when_it_is_higher() -> None:
    (line,) = Measured([{"one_by_one": 0.5}], [{"one_by_one": 1.0}]).lines()
    assert line[3:] == ("2×", "", "")


def test_the_page_has_both_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    monkeypatch.setattr(document, "PATH", page)
    raw = Measured([{"sign_tx_ms": 0.3}], [{"sign_tx_ms": 0.1}]).lines()
    document.write(report.table([{"warm_ms": 2.0}], [{"warm_ms": 1.0}]), raw, ["A note."], 5)
    written = page.read_text()
    assert "| warm paid call |" in written
    assert f"| {' | '.join(HEADINGS)} |" in written
    assert (
        "| sign one EIP-1559 transaction | 0.300 ms | 0.100 ms | 3× | ≤ 0.2 ms | met |" in written
    )
    assert transactions.footnotes()[0] in written
