"""Files and paths that users name: read with suspicion, written whole or not at all."""
