"""Widgets that last: each draws its own lines, so that ten thousand rows cost as much as forty."""
