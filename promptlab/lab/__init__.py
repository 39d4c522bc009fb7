"""`Lab`: the one object that the command line, the screens and Python users hold."""

from promptlab.lab.lab import Lab
from promptlab.lab.table import RunTable

__all__ = ["Lab", "RunTable"]
