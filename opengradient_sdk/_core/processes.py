"""Which process is meant, and whether it is certain that it is gone: on one Linux host.

What a process holds in a store may be taken over when nobody can use it any more. A process id
alone does not say so: it is used again, and means another process in another container.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TEXT: Final = re.compile(r"(?P<host>[0-9a-f-]{36}:\d+:\d+):(?P<pid>[1-9]\d{0,9}):(?P<began>\d+)\Z")
_ENDED: Final = ("Z", "X")

# after the name in parentheses: state is the field 3 of proc(5), threads the 20th, start the 22nd
_STATE, _THREADS, _BEGAN = 3 - 3, 20 - 3, 22 - 3


def this_process() -> str | None:
    """Return a text that names this very process among all that ever ran on this host.

    It holds the boot, the process and time namespaces, the process id, and when the process began
    (clock ticks since the boot). It is read anew each time, so a forked child has its own.
    ``None`` where that cannot be known: there is no ``/proc``, or it is another container's.
    """
    host = _host()
    if host is None:
        return None
    pid = os.getpid()
    life = _life(pid)
    return None if life is None else f"{host}:{pid}:{life.began}"


def is_gone(process: str) -> bool:
    """Tell whether the process that ``this_process`` named there can send nothing any more.

    ``True`` only when that is certain: it ran since this boot and in the namespaces of this
    process, and there is no such process now, or one that began at another time, or it has ended
    and is merely not reaped. A process of another host or container is never called gone, nor is
    one that a text in another form names. Machines that were cloned while they ran share their
    boot: to this function they are one host.
    """
    named = _TEXT.match(process)
    if named is None or named["host"] != _host():
        return False
    pid = int(named["pid"])
    if not _exists(pid):
        return True
    life = _life(pid)
    return life is not None and (life.ended or life.began != int(named["began"]))


@dataclass(frozen=True, slots=True)
class _Life:
    """What the kernel says of a process."""

    began: int
    """Clock ticks from the boot to its start."""
    ended: bool
    """No thread of it runs any more."""


def _host() -> str | None:
    try:
        if (_PROC / "self").readlink() != Path(str(os.getpid())):
            return None  # mounted for another namespace, where our id means someone else
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        # the kernel tells start times by the clock of the reader's time namespace
        processes, times = ((_PROC / "self/ns" / kind).stat().st_ino for kind in ("pid", "time"))
    except (OSError, UnicodeDecodeError):
        return None
    return f"{boot}:{processes}:{times}"


def _exists(pid: int) -> bool:
    """Ask the kernel, not ``/proc``: that may hide the processes of other users."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # someone else's, or no id at all: nothing is certain
    return True


def _life(pid: int) -> _Life | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # the name may hold blanks and parentheses; nothing behind it does
    fields = stat.rpartition(b")")[2].decode("ascii").split()
    # the first thread of a process may end before the others: then it is listed as a zombie, too
    ended = fields[_STATE] in _ENDED and int(fields[_THREADS]) <= 1
    return _Life(began=int(fields[_BEGAN]), ended=ended)
