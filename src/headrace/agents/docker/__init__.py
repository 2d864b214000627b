"""Deploys flow runs as containers of a Docker engine."""
