"""How classification is measured."""
