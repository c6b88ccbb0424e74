"""What NodeHooks is made of: which moments there are, what hooks are given, and how a task is followed."""
