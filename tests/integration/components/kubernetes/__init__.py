"""A fake of a Kubernetes cluster (1.32) whose nodes run real processes.

The API server (`api`, `verbs`, `watching`, …) checks what it is sent and what it answers against the
published schema; controllers (`jobs`, `scheduler`, `garbage`, …) and a kubelet stand behind it. All
run in one thread, in one event loop: the store needs no locks.
"""
