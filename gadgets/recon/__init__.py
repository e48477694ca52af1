"""K-space in, coil images out: Fourier, GRAPPA."""
