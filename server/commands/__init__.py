"""One file for each word that follows `scanside`."""
