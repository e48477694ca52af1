"""A first pass of contrast agent through the heart: from its images to blood flow."""
