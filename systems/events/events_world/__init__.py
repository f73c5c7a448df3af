"""The parts of `world.py`: its size, its start, its course hour by hour, its truth, its files."""
