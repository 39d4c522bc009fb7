"""promptlab: iterate on LLM prompts in a terminal, with results you can trust and a history in git."""

__version__ = "0.1.0"
