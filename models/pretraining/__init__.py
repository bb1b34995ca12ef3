"""What a pretrained trunk learns from texts before any label is read. One method per file."""
