"""Fuzzes one target, or all of them one after the other: ``scripts/fuzz [target] [seconds]``.

What is new is collected under ``build/fuzz``; ``--keep`` merges it, minimized, into the corpus that
the tests replay. Other arguments are libFuzzer's own and replace those that are chosen here.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NAMES: Final = ("challenge", "header", "stream", "answer", "node")
"""The targets. They are imported only when the fuzzer is ready to watch what they import."""

_ALL: Final = "all"
_KEPT: Final = Path(__file__).parent / "corpus"
_WORK: Final = Path(__file__).parents[2] / "build" / "fuzz"
_LIMITS: Final = ("-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1")
_MAX_BYTES: Final = 8192
_KEPT_BYTES: Final = 3000
"""Larger inputs find more, and rarely anything that a smaller one does not."""
_MISSING: Final = (
    "atheris is not installed for {python}.\n"
    "It has wheels for CPython on Linux: {python} -m pip install atheris\n"
    "Or name a Python that has it, and this package: PYTHON=… scripts/fuzz\n"
)


def main() -> int:
    """Do what the command line asks for; the exit code is the fuzzer's."""
    options, own = _parser().parse_known_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(_MISSING.format(python=sys.executable))
        return 2
    if options.target == _ALL:
        again = [str(options.seconds), *(["--keep"] if options.keep else []), *own]
        return max(_in_own_process([name, *again]) for name in NAMES)
    work, kept = _WORK / options.target, _KEPT / options.target
    work.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    if not own and options.keep:
        own = ["-merge=1", f"-max_len={_KEPT_BYTES}", *_LIMITS, str(kept), str(work)]
    elif not own:
        time = f"-max_total_time={options.seconds}"
        own = [time, f"-max_len={_MAX_BYTES}", *_LIMITS, str(work), str(kept)]
    return _fuzz(options.target, work, own)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz", description="Fuzz what reads strangers' bytes.", allow_abbrev=False
    )
    parser.add_argument("target", nargs="?", choices=(*NAMES, _ALL), default=_ALL)
    parser.add_argument("seconds", nargs="?", type=int, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="merge what was found into the corpus")
    return parser


def _in_own_process(arguments: Sequence[str]) -> int:
    # the fuzzer ends its process when its time is over
    return subprocess.run([sys.executable, "-m", "fuzz", *arguments], check=False).returncode


def _fuzz(name: str, work: Path, arguments: Sequence[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["opengradient_sdk"]):
        from fuzz.targets import TARGETS
    from fuzz.structure import Mutator

    target = TARGETS[name]
    seeds = target.seeds()
    for number, seed in enumerate(seeds):
        (work / f"seed-{number:03}").write_bytes(seed)
    mutator = Mutator(target.form, seeds)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        changed = mutator.mutate(data, seed) if seed % 3 else None
        if changed is None or len(changed) > max_size:
            changed = atheris.Mutate(data, max_size)
        return bytes(changed)

    # libFuzzer starts itself again by its first argument, as a shell would, when it merges
    again = shlex.join([sys.executable, "-m", "fuzz", name])
    atheris.Setup(
        [again, f"-artifact_prefix={work}-", *arguments], target.run, custom_mutator=mutated
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
