"""The operators of the integer graph, a file per family."""
