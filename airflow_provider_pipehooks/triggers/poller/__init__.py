"""One poller for all waits on an account."""
