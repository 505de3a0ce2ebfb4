"""Where the anvil program is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]


def find_anvil() -> Path | None:
    """Return the anvil program: ``OG_ANVIL``, else what ``make test`` fetched, else the PATH's.

    Returns None where there is none; an ``OG_ANVIL`` that is no file is None too, not the next one.
    """
    named = os.environ.get("OG_ANVIL")
    if named:
        return Path(named) if Path(named).is_file() else None
    fetched = sorted(_REPOSITORY.glob(".tools/node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    if fetched:
        return fetched[0]
    on_path = shutil.which("anvil")
    return Path(on_path) if on_path else None
