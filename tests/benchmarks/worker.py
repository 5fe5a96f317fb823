"""A contender's process: prepares its work, then does it once for each line of standard input.

`python -m tests.benchmarks.worker MODULE JSON`, where MODULE has `prepare(**arguments) -> (work, amount, extra)`: the
amount is what a round does, unless the work gives it itself; the extra is reported.
"""

import importlib
import json
import os
import resource
import sys
import time


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print must not answer
    module, arguments = sys.argv[1], json.loads(sys.argv[2])

    def say(**answer: object) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        work, amount, extra = importlib.import_module(f"tests.benchmarks.contenders.{module}").prepare(**arguments)
    except ModuleNotFoundError as error:
        say(absent=f"{error.name} is not installed")
        return
    say(amount=amount, extra=extra)
    for _ in sys.stdin:
        started = time.perf_counter()
        done = work()
        say(seconds=time.perf_counter() - started, amount=done if isinstance(done, int | float) else amount)
    say(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
