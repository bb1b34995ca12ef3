"""Where pretrained trunks come from: presets, hub modules, downloads; publishing a trunk."""
