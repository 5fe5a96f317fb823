"""`python -m lstmtext`: the same commands, for where the script is not on the path."""

from lstmtext.cli.app import main

if __name__ == "__main__":
    main()
