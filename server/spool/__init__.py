"""Every byte received, on disk before it is used."""
