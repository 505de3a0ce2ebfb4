"""Where keys are kept in these tests: never in the folder of whoever runs them."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for this test's keys; processes that it starts have it too."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("OG_STATE_DIR", str(folder))
    return folder
