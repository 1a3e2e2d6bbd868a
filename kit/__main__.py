"""`python -m kit`: the command line."""

from __future__ import annotations

from kit.cli import main

if __name__ == "__main__":
    main()
