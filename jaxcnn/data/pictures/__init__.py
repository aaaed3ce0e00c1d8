"""Users' pictures: formats, decoding, conversion to 8 bits, content, statistics."""
