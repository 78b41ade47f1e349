"""Run the command line as ``python -m classicvision``."""

from classicvision.cli import main

if __name__ == "__main__":
    main()
