"""Prints the gallery's table: `python -m dgmppl.models`."""

from dgmppl.models import table

if __name__ == "__main__":
    print(table())
