"""The stages, one per file, and the artifacts in which they meet."""
