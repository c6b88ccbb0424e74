"""What each remote says and what it means: requests as values, answers parsed by pure functions. No I/O."""
