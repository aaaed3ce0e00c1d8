"""Files and paths that users name: checked when read, written whole or not at all."""
