"""The version, in a module so light that packaging and the command line can read it alone."""

__version__ = "0.1.0"
