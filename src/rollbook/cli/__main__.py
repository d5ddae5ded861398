"""`python -m rollbook.cli`."""

from rollbook.cli import main

if __name__ == "__main__":
    main()
