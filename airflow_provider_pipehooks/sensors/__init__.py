"""2 JOIN: wait for a run that something else started."""
