"""Trunks: from preprocessed features to one representation. One file per source of trunks."""
