"""Agents: each gets flow runs from a server and deploys them near where it stands."""
