"""Networks: real two-channel images, no complex type, no Fourier transform."""
