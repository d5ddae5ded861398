"""`python -m rollbook.cli`."""

from rollbook.cli import main

main()
