"""What signals are made of: the types of events, and the door they are sent through."""
