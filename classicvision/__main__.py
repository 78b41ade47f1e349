"""Run the command-line interface as ``python -m classicvision``."""

from classicvision.cli import main

if __name__ == "__main__":
    main()
