"""The computed metrics, one family a module: each gives its ``METRICS``."""
