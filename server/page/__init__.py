"""The page on which a scan is watched, re-run and its chain tried: a process beside the server."""
