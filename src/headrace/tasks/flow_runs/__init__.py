"""Flows of flows: tasks that start, watch and end flow runs, and views of these."""
