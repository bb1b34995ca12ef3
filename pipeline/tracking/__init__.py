"""What is told about a run: trackers, the journal they write, and its replay to MLflow."""
