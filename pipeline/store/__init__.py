"""Results of stages on disk, found by fingerprint."""
