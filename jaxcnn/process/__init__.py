"""The process: its command line, devices, signals, memory, and the group it belongs to."""
