"""Where pretrained tokenizers come from."""
