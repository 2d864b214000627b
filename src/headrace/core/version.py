"""Headrace's version, for the layers that must not know the whole of it."""

from __future__ import annotations

__version__ = "0.1.0"
