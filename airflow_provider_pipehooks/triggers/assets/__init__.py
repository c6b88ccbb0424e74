"""Runs that somebody else started, as events of assets."""
