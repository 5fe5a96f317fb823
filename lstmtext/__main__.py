"""`lstmtext`, and `python -m lstmtext` for where the script is not on the path."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run a command; an interrupt is told as one, even while the commands are being loaded."""
    try:
        from lstmtext.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("lstmtext: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
