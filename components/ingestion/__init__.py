"""From raw files to examples: reading, splits, spans, quarantine, duplicates."""
