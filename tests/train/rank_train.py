"""`lstmtext` as one of the processes of `torchrun`, with something done on the way."""

import os
import signal
import sys
import time

from lstmtext.__main__ import main
from lstmtext.data.rows import RowMaking
from lstmtext.train import making

RANK = os.environ.get("RANK", "0")
really_fit = making.fit_bypass


def killed(self, own, of):
    """The second process is killed while it encodes, and the first is busy."""
    if RANK == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def counted(*arguments, **options):
    """Whoever fits n-grams says so."""
    print(f"fitted by {RANK}", file=sys.stderr)
    return really_fit(*arguments, **options)


if __name__ == "__main__":
    if sys.argv.pop(1) == "killed":
        RowMaking.part = killed
    else:
        making.fit_bypass = counted
    main()
