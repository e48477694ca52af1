"""What is learned, and what it is learned from. Knows arrays, not MR files or sockets."""
