"""CHECK: the connections and the way of an alert, tried before the first incident: see ``command``."""
