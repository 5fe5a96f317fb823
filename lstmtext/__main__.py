"""`lstmtext`, and `python -m lstmtext` for where the script is not on the path."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run a command; an interrupt is told as one, even while the commands are being loaded."""
    try:
        from lstmtext.cli.app import main as run

        run()
    except SystemExit as leaving:
        workers = sys.modules.get("lstmtext.runtime.workers")
        if workers is None or not workers.has_threads():
            raise
        with suppress(Exception):  # it may be closed
            sys.stderr.flush()
        os._exit(int(leaving.code or 0))  # nobody waits for their work any more, of which a long line has minutes
    except KeyboardInterrupt:
        sys.stderr.write("lstmtext: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
