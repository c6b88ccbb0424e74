"""6 ALERT: tell people why something failed.

``failed_tasks`` finds out what failed, ``message`` words it, ``sns_delivery`` delivers it; ``sns`` is the
callback and ``operators.sns_alert`` the task that use them.
"""
