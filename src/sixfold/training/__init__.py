"""From examples to exported models: tensors, losses, the loop."""
