"""What several transfer modes need of Keras layers."""
