"""The import of one module, timed in a process that has imported next to nothing.

``python startup.py MODULE`` prints JSON: milliseconds, and the most memory in MiB.
"""

import sys
import time

if __name__ == "__main__":
    started = time.perf_counter()
    __import__(sys.argv[1])
    milliseconds = (time.perf_counter() - started) * 1e3
    # the memory is read before anything else is imported to print it
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    print(f'{{"import_ms": {milliseconds}, "import_mib": {int(line.split()[1]) / 1024}}}')
