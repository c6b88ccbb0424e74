"""5 HOOKS: who is told of a change, and who may decide: state handlers, node hooks, signals."""
