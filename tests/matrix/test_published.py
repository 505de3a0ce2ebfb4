"""The same runs with the published client beside ours, as a table."""

from __future__ import annotations

import os

import pytest

from opengradient_sdk.devnet.faults import FAULTS

from .cells import matrix
from .published import bills, comparison
from .running import LANES, run
from .visitors import PYTHON

pytestmark = [pytest.mark.interop, pytest.mark.nightly]

AMBIGUOUS = [name for name, fault in FAULTS.items() if fault.ambiguous]


@pytest.fixture
def published_client() -> None:
    """Its environment, which CI must have and a laptop may lack."""
    if PYTHON.exists():
        return
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{PYTHON} is not there; `make interop` makes it")
    pytest.skip(f"{PYTHON} is not there; `make interop` makes it")


@pytest.mark.usefixtures("published_client")
async def test_it_pays_anew_where_ours_does_not() -> None:
    cells = list(matrix([0], AMBIGUOUS))
    theirs, ours = await bills(cells, LANES), await run(cells)
    print(comparison(theirs, ours))
    assert not (broken := [str(v) for v in ours if v.violations]), "\n\n".join(broken)
    in_one_process = [cell for cell in cells if not cell.killed]
    assert any(theirs[cell].payments > 1 for cell in in_one_process)
    assert sum(bill.lost for bill in theirs.values()) > 0
