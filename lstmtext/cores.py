"""How many cores this process may use."""

import math
import os
from pathlib import Path

LIMITS = Path("/sys/fs/cgroup")
"""Where Linux tells a container how much time of cores it has: in `cpu.max`, or the older way in a file a number."""


def core_count() -> int:
    """Cores that the process may run on, and no more than its container has the time of."""
    usable = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _limit())))


def _limit() -> float:
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((LIMITS / name).read_text() for name in names).split()
            if int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max" for no limit
            continue
    return math.inf
