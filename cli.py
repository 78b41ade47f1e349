"""Run the command line from a checkout: ``python cli.py fit images/ -o images.cvmodel``. Never installed."""

from classicvision.cli import main

if __name__ == "__main__":
    main()
