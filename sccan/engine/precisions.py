"""The names of numeric precisions; without torch, so that --help has them at once."""

PRECISIONS = {"float32": "", "bf16": "bfloat16", "fp16": "float16"}
"""Name -> torch's name of the type that operations are lowered to where that is safe; empty: none."""
