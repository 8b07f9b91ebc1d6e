"""Decoded pictures and maps in the user's cache folder, made once.

Door: pivl.data.cache.decode.decode.
Example: `decode([plan_pictures(listing, "query", (256, 128))])`
"""
