"""Deploys flow runs as tasks of Amazon's ECS."""
