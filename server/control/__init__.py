"""What sessions say about themselves while they run, who collects it, and how they are told to stop."""
