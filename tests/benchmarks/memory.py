"""The memory of a process while it runs, as the system counts it."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

SAMPLE_SECONDS = 0.5


class MemoryWatch:
    """Samples fields of a process's status in MB, from the beginning of a `with` block until the process ends."""

    def __init__(self, process: Popen, *fields: str) -> None:
        self.samples: dict[str, list[float]] = {name: [] for name in fields}
        self._process = process
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _watch(self) -> None:
        status = Path(f"/proc/{self._process.pid}/status")
        while self._process.poll() is None:
            with suppress(OSError):
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                for name, sizes in self.samples.items():
                    if name in fields:
                        sizes.append(int(fields[name].split()[0]) / 1024)
            time.sleep(SAMPLE_SECONDS)
