"""Headrace: workflow orchestration in plain Python."""

__version__ = "0.1.0"
