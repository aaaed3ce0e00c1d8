"""Users' pictures: formats, decoding, content, statistics."""
