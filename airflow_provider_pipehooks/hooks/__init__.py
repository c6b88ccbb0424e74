"""Connection, auth and transport. A hook makes calls; what the answers mean is in ``services``."""
