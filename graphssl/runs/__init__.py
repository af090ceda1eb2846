"""A run on disk: begun and gone on with, evaluated, exported, compared."""
