"""How a flow runs: the pure machine that orders it, and the runners that perform what it says."""
