"""1 START: ask a remote for a run, once, and wait for it if wanted."""
