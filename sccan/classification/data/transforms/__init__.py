"""From stored pictures to the network's input."""
