"""`python -m dgmppl`."""

from dgmppl.cli import main

main()
