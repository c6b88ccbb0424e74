"""One task and its one run: what START and JOIN share."""
