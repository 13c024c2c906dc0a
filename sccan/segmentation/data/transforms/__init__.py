"""From pictures and label images to the network's input."""
