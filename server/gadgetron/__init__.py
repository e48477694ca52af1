"""Gadgetron's configurations, in both dialects of its XML, as chains of our gadgets."""
