"""Features from examples, and what a frozen trunk computes of them."""
