"""From a trained model to answers over the wire. Imports keras and tensorflow only."""
