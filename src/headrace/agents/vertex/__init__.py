"""Deploying flow runs as custom jobs of Google's Vertex AI."""
