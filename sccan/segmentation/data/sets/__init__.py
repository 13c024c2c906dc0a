"""Which data sets there are: their lists, folds and indexes."""
