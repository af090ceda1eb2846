"""`python -m graphssl` is the command `graphssl`."""

from .cli import main

if __name__ == "__main__":
    main()
