"""Images in, images out: combine, filter, resize, convert."""
