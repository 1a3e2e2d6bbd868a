"""Bytes to events and back: the protocols, and the streams that carry them."""
