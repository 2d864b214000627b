"""Secrets that are kept where the flow runs."""

from headrace.config.secrets import Secret

__all__ = ["Secret"]
