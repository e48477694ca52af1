"""Measurements that later scans depend on: kept, found again, and asked for by the scanner."""
