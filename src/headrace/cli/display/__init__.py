"""What a person sees of a flow run: lines, or a live display on a terminal."""
