"""PyTorch modules: layers, towers, networks."""
