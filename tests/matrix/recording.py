"""What a customer's process did, line by line, in a file that outlives it.

Every line is written before the next thing happens, so that it is there after a SIGKILL. A line may
also be the last one: this is where a run's process is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .cells import Crash

Line = dict[str, Any]


class Recorder:
    """Appends what happens to a run's record."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._crash: Crash | None = None
        self._seen: Counter[str] = Counter()
        self._requests = 0
        self.key = ""

    def arm(self, crash: Crash | None) -> None:
        """Have the process killed at a moment that is still to come."""
        self._crash = crash
        self._seen.clear()

    def write(self, what: str, **facts: Any) -> None:
        """Write a line down; this may be the moment at which the process is killed."""
        line = {"what": what, "key": self.key, "at": time.time(), "pid": os.getpid(), **facts}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        self._seen[what] += 1
        crash = self._crash
        if crash is not None and (what, self._seen[what]) == (crash.moment, crash.count):
            _die(crash.delay)

    def next_request(self) -> str:
        """Return a name for one more request of this process."""
        self._requests += 1
        return f"{os.getpid()}.{id(self)}.{self._requests}"

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> list[Line]:
    """Return the lines of a record, of all processes, in order."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def fingerprint(secret: str) -> str:
    """Return what stands for a secret in a record."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _die(delay: float) -> None:
    if delay:
        threading.Thread(target=_die_later, args=(delay,), daemon=True).start()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_later(delay: float) -> None:
    time.sleep(delay)  # a moment that no event marks: the request is on its way
    os.kill(os.getpid(), signal.SIGKILL)
