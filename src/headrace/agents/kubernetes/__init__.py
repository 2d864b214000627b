"""Flow runs as jobs of a Kubernetes cluster.

What a job holds (`jobs`) and what is to be said of its pod (`verdicts`, `records`) are pure; `api`
speaks to the cluster, `watching` follows it, and `launcher` puts them together.
"""
