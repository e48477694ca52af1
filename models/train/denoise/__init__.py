"""How denoisers are trained: noise that went through real reconstructions and filters, in SNR units."""
