"""Records of runs: trackers, the journal on disk, and MLflow."""
