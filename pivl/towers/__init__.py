"""CLIP's image and text towers, opened up for dense features and learnable prompts (method.md 1.3-1.8, 6)."""
