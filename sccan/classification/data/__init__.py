"""Pictures with one class each: formats, split lists, one safe layout, transforms."""
