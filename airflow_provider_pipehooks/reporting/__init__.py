"""7 REMEMBER: the runs of an account or workspace as files that last longer than the remote keeps them.

``sync`` reads, ``history`` keeps, ``kpis`` counts, ``report`` shows.
"""
