"""``python -m fewtune``: the command line, for launchers that start modules (torchrun)."""

from __future__ import annotations

from fewtune.cli.main import main

if __name__ == "__main__":
    main()
