"""How the server is: health and metrics over HTTP, in a process beside the listener."""
