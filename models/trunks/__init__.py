"""Trunks: networks from preprocessed features to one representation. One file per source."""
