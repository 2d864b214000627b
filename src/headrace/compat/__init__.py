"""Runs flow files that were written for other libraries, unchanged."""
