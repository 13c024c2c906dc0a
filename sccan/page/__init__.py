"""A page in the browser to mark pictures, find what was marked in a folder, correct, and take the masks along."""
