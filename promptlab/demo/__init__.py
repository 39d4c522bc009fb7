"""The example that a newcomer opens first: a workspace with a short history, and two small models."""

from __future__ import annotations

from promptlab.demo.example import create, default_folder, is_demo, models_folder, replace

__all__ = ["create", "default_folder", "is_demo", "models_folder", "replace"]
